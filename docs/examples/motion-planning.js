// Looks for a short way for a point from (0, 0) to (10, 10) around obstacles: rapidly exploring random
// trees (RRT), one on each worker, all of them better for what the others found.
//   capsule app launch --cluster capsule-cluster --program docs/examples/motion-planning.js \
//     --workers 4 --args first-run 2000
// args[0] names the run, args[1] is how many points each share tries. The length of the best way is
// merged by min into <run>:solution_path: no lock, and nobody's better one is lost.
var run = 'motion:' + args[0] + ':';
var tries = Number(args[1] || 2000);
var obstacles = [[3, 3, 1.5], [6, 5, 1.8], [4, 8, 1.5], [8, 8.2, 1.0], [7, 1.5, 1.2]];
var GOAL = [10, 10];
var STEP = 0.8;

function distance(a, b) {
  return Math.sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]));
}

function free(a, b) {
  var pieces = Math.ceil(distance(a, b) / 0.05);
  for (var i = 0; i <= pieces; i++) {
    var x = a[0] + (b[0] - a[0]) * i / pieces;
    var y = a[1] + (b[1] - a[1]) * i / pieces;
    for (var o = 0; o < obstacles.length; o++) {
      if (distance([x, y], obstacles[o]) < obstacles[o][2]) { return false; }
    }
  }
  return true;
}

// Drawn from the share, so that a share that is run again does the same again.
var state = 12345 + 7919 * (share + 1);
function draw() {
  state = (state * 1103515245 + 12345) % 2147483648;
  return state / 2147483648;
}

var best = null;
function known() {
  var value = get(run + 'solution_path', 'text');
  return value === null ? Infinity : Number(value);
}

var tree = [{ at: [0, 0], from: -1, cost: 0 }];
for (var i = 0; i < tries; i++) {
  // Now and then the goal itself, so that the tree grows towards it.
  var target = i % 10 === 9 ? GOAL : [draw() * 10, draw() * 10];
  var near = 0;
  for (var n = 1; n < tree.length; n++) {
    if (distance(tree[n].at, target) < distance(tree[near].at, target)) { near = n; }
  }
  var from = tree[near];
  var far = distance(from.at, target);
  if (far === 0) { continue; }
  var reach = Math.min(1, STEP / far);
  var at = [from.at[0] + (target[0] - from.at[0]) * reach, from.at[1] + (target[1] - from.at[1]) * reach];
  if (!free(from.at, at)) { continue; }
  // The cheapest parent around, as RRT* takes it.
  var parent = near;
  var cost = from.cost + distance(from.at, at);
  for (var m = 0; m < tree.length; m++) {
    var other = tree[m].cost + distance(tree[m].at, at);
    if (other < cost && distance(tree[m].at, at) < 2 * STEP && free(tree[m].at, at)) {
      parent = m;
      cost = other;
    }
  }
  tree.push({ at: at, from: parent, cost: cost });
  if (distance(at, GOAL) < STEP && free(at, GOAL)) {
    var length = Math.round((cost + distance(at, GOAL)) * 1e6) / 1e6;
    if (best === null || length < best.length) {
      var path = [GOAL];
      for (var k = tree.length - 1; k >= 0; k = tree[k].from) { path.unshift(tree[k].at); }
      best = { length: length, path: path };
      if (length < known()) {
        put(run + 'path:' + length, JSON.stringify(path));
        merge(run + 'solution_path', 'min', String(length));
        print('a way of length ' + length);
      }
    }
  }
}
psl_return({ share: share, own: best ? best.length : null, best: known(), path: best ? best.path : null });
