// A shop: 10 items, 1,000 of each, and customers at every worker who buy until nothing is left.
//   capsule app launch --cluster capsule-cluster --program docs/examples/shop.js --workers 4 \
//     --args first-run
// A purchase is a transaction: it reads the stock and takes from it, and nobody else comes between.
// What is sold is what there was, never more.
var ITEMS = 10;
var STOCK = 1000;
var run = 'shop:' + args[0] + ':';
var state = 4711 + 104729 * (share + 1);
function draw(n) {
  state = (state * 1103515245 + 12345) % 2147483648;
  return Math.floor(state / 2147483648 * n);
}

function number(key, without) {
  var value = get(key, 'text');
  return value === null ? without : Number(value);
}

function buy(item, wanted) {
  var bought = 0;
  transaction(function () {
    var stock = number(run + 'stock:' + item, STOCK);
    bought = Math.min(stock, wanted);
    if (stock < 0) { throw new Error('oversold'); }
    if (bought > 0) {
      put(run + 'stock:' + item, String(stock - bought));
      var mine = run + 'sold:' + share + ':' + item;
      put(mine, String(number(mine, 0) + bought));
    }
  });
  return bought;
}

var left = [];
for (var i = 0; i < ITEMS; i++) { left.push(i); }
var purchases = 0;
while (left.length > 0) {
  var at = draw(left.length);
  try {
    if (buy(left[at], 1 + draw(10)) === 0) {
      left.splice(at, 1);
    } else {
      purchases++;
    }
  } catch (e) {
    // Two transactions waited for each other; this one changed nothing.
    if (e.code !== 'UNAVAILABLE') { throw e; }
    print('again: ' + e.message);
  }
}
var sold = [];
for (var item = 0; item < ITEMS; item++) {
  sold.push(number(run + 'sold:' + share + ':' + item, 0));
}
psl_return({ share: share, purchases: purchases, sold: sold });
