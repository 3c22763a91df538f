// Counts the words of a text on as many workers as there are shares.
//   capsule app launch --cluster capsule-cluster --program docs/examples/word-count.js \
//     --workers 4 --args first-run "to be or not to be"
// args[0] names the run, args[1] is the text. Each share counts its part and puts what it found under
// keys of its own, so that a share that is run again after a failure counts nothing twice. The share
// that is through last adds everything up: it has the lock that the others had before it, and so sees
// all that they wrote.
var run = 'wordcount:' + args[0] + ':';
var words = args[1].toLowerCase().split(/[^a-z0-9äöüß]+/).filter(function (word) { return word; });
var counts = {};
for (var i = share; i < words.length; i += shares) {
  counts[words[i]] = (counts[words[i]] || 0) + 1;
}
Object.keys(counts).forEach(function (word) {
  put(run + 'part:' + share + ':' + word, String(counts[word]));
});
print('counted ' + Object.keys(counts).length + ' different words');

var through = 0;
transaction(function () {
  var before = get(run + 'through', 'text') || '';
  if (before.split(',').indexOf(String(share)) < 0) {
    before += (before ? ',' : '') + share;
    put(run + 'through', before);
  }
  through = before.split(',').length;
});
if (through < shares) {
  psl_return({ share: share, through: through });
} else {
  var totals = {};
  for (var part = 0; part < shares; part++) {
    var prefix = run + 'part:' + part + ':';
    var after = null;
    do {
      var found = after === null ? scan(prefix, 1000) : scan(prefix, 1000, after);
      found.forEach(function (entry) {
        var word = text(bytes(typeof entry[0] === 'string' ? entry[0] : text(entry[0]))).slice(prefix.length);
        totals[word] = (totals[word] || 0) + Number(typeof entry[1] === 'string' ? entry[1] : text(entry[1]));
        after = entry[0];
      });
    } while (found.length === 1000);
  }
  psl_return({ share: share, through: through, totals: totals });
}
