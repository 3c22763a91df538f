package io.capsuledb.enclave.script;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/** Scripts that mean harm, in families, each with the outcomes that are right for it. */
final class HostileScripts {

  /** What may come of a script. */
  enum End {
    OK,
    THREW,
    TIMED_OUT,
    OUT_OF_MEMORY,
    LIMIT
  }

  /** One script. */
  record Case(String family, String source, Set<End> ends) {
    @Override
    public String toString() {
      return family + ": " + source.strip().lines().findFirst().orElse("");
    }
  }

  private final List<Case> cases = new ArrayList<>();
  private String family = "";

  private HostileScripts() {}

  static List<Case> all() {
    HostileScripts scripts = new HostileScripts();
    scripts.cpu();
    scripts.memory();
    scripts.recursion();
    scripts.nativeLoops();
    scripts.regexps();
    scripts.gettersAndProxies();
    scripts.finalizers();
    scripts.prototypes();
    scripts.hiddenSymbols();
    scripts.buffers();
    scripts.hostCalls();
    scripts.compiler();
    return List.copyOf(scripts.cases);
  }

  private void is(End end, String... sources) {
    for (String source : sources) {
      cases.add(new Case(family, source, EnumSet.of(end)));
    }
  }

  private void either(End one, End other, String... sources) {
    for (String source : sources) {
      cases.add(new Case(family, source, EnumSet.of(one, other)));
    }
  }

  private void cpu() {
    family = "cpu";
    is(
        End.TIMED_OUT,
        "while (true) {}",
        "for (;;) ;",
        "do {} while (1)",
        "a: for (;;) continue a",
        "for (;;) { try { throw 1 } catch (e) { continue } finally { continue } }",
        "try { for (;;); } finally { for (;;); }",
        "function f() { try { for (;;); } finally { return f() } } f()",
        "while (true) { try { eval('for(;;);') } catch (e) {} }",
        "new Function('for(;;);')()",
        "(function f() { return f() })()",
        "var i = 0; while (i < 1e12) i++",
        "for (;;) Math.random()",
        "for (;;) new Date().toISOString()",
        "with ({}) for (;;) ;",
        "switch (1) { case 1: for (;;); }",
        "setInterval = function (f) { for (;;) f() }; setInterval(function () {})",
        "var o = {toString: function () { for (;;); }}; '' + o",
        "[1, 2].sort(function () { for (;;); })",
        "'abc'.replace(/b/, function () { for (;;); })",
        "JSON.stringify({toJSON: function () { for (;;); }})",
        "JSON.parse('[1]', function () { for (;;); })",
        "for (;;) { try { undefined.x } catch (e) { e.stack } }",
        "for (;;) eval('1')",
        "Error.prototype.toString = function () { for (;;); }; print(new Error())");
  }

  private void memory() {
    family = "memory";
    is(
        End.OUT_OF_MEMORY,
        "var s = 'x'; for (;;) s += s",
        "var a = [], s = Array(100000).join('x'); for (;;) a.push(s + a.length)",
        "new Uint8Array(1e9)",
        "new ArrayBuffer(64 * 1024 * 1024)",
        "var b = []; for (;;) b.push(new Uint8Array(65536))",
        "var s = 'x'; while (s.length < 4e6) s += s; s + s + s",
        "var o = {}, s = Array(50000).join('y'); for (var i = 0;; i++) o['k' + i] = s + i",
        "var s = 'ab'; for (;;) s = s.concat(s)",
        "var s = 'ab'; for (;;) s = [s, s].join('')",
        "'x'.repeat(100000000)",
        "var s = 'x'.repeat(1000000); for (;;) s = encodeURIComponent('%' + s) + s",
        "var s = 'x'.repeat(4000000); JSON.stringify([s, s, s])",
        "var a = new Array(3000000); for (var i = 0; i < 3000000; i++) a[i] = {}",
        "var o = {}; try { for (;;) o = {o: o, b: new Uint8Array(1000)} } catch (e) { psl_return(1) }",
        "var k = []; try { for (;;) k.push('x'.repeat(10000) + k.length) } finally { k = null }");
    either(
        End.OUT_OF_MEMORY,
        End.TIMED_OUT,
        "var a = []; for (;;) a.push({})",
        "var s = 'ab'; for (;;) s = s.replace(/[^]*/, '$&$&')",
        "var o = {}; for (var i = 0;; i++) o[i] = i",
        "var a = []; for (;;) a = [a, a]",
        "function f() { return function () { return f() } } var l = []; for (;;) l.push(f())",
        "var s = ''; for (;;) s += 'abcdefghijklmnop'",
        "var o = {}; for (var i = 0;; i++) Object.defineProperty(o, 'p' + i, {get: function () {}})",
        "var a = []; for (;;) a.push(Symbol('s' + a.length))",
        "var e = null; for (;;) e = new Error(e)");
    is(
        End.THREW,
        "Array.apply(null, new Array(1e6)).map(function () { return {} })",
        "var s = new Set; for (var i = 0;; i++) s.add(i)");
    either(
        End.OUT_OF_MEMORY,
        End.TIMED_OUT,
        "var f = []; for (;;) f.push(new Function('return ' + '1+'.repeat(5000) + f.length))");
  }

  private void recursion() {
    family = "recursion";
    is(
        End.THREW,
        "(function f() { f(); 1 })()",
        "function a() { b(); 1 } function b() { a(); 1 } a()",
        "var o = {}; o.toString = function () { return '' + o + 1 }; '' + o",
        "var o = {valueOf: function () { return +o + 1 }}; +o",
        "(function f(n) { [1].forEach(function () { f(n + 1) }) })(0)",
        "(function f() { [2, 1].sort(function () { f(); return 0 }) })()",
        "(function f() { 'a'.replace('a', f) })()",
        "(function f() { JSON.stringify({toJSON: f}) })()",
        "(function f() { JSON.parse('1', f) })()",
        "(function f() { eval('f()') })()",
        "(function f() { new Function('f', 'f(f)')(f) ; f() })()",
        "function F() { new F() } new F()",
        "(function f() { f.call(null); 1 })()",
        "(function f() { f.apply(null, []); 1 })()",
        "var f = function () { g(); 1 }, g = f.bind(null); for (var i = 0; i < 50; i++) g = g.bind(null);"
            + " f()",
        "JSON.parse('['.repeat(100000))",
        "var o = []; for (var i = 0; i < 20000; i++) o = [o]; JSON.stringify(o)",
        "var o = {}; for (var i = 0; i < 20000; i++) o = {o: o}; psl_return(o)",
        "var o = {get x() { return this.x + 1 }}; o.x",
        "var p = new Proxy({}, {get: function (t, k, r) { return r[k] + 1 }}); p.x",
        "var h = {}; h.__proto__ = h");
    either(
        End.THREW,
        End.TIMED_OUT,
        "(function f() { try { f() } finally { f() } })()",
        "(function f() { transaction(f) })()");
    is(End.TIMED_OUT, "(function f() { try { f() } catch (e) { f() } })()");
  }

  private void nativeLoops() {
    family = "native-loops";
    is(
        End.TIMED_OUT,
        "var d = '7'.repeat(3000000); for (;;) Number(d)",
        "var d = '7'.repeat(3000000); for (;;) parseFloat(d)",
        "var d = '1'.repeat(3000000); for (;;) parseInt(d, 3)",
        "var s = '\\u00df'.repeat(500000); for (;;) s.toUpperCase()",
        "var s = 'A'.repeat(1000000); for (;;) s.toLowerCase()",
        "var s = 'ab'.repeat(500000); for (;;) s.indexOf('abb')",
        "var s = 'a'.repeat(1000000) + 'b'; for (;;) s.lastIndexOf('ba')",
        "var s = '%41'.repeat(300000); for (;;) decodeURIComponent(s)",
        "var s = ' '.repeat(1000000); for (;;) s.trim()",
        "var a = []; a.length = 4294967295; a.join('')",
        "var a = []; a.length = 4294967295; a.reverse()",
        "Array.prototype.forEach.call({length: 4294967295}, function () {})",
        "Array.prototype.concat.call([], new Array(4294967295)); for (;;);",
        "var a = []; a.length = 4294967295; a.map(function () {})",
        "Array.prototype.unshift.call({length: 4294967290}, 1)",
        "Array.prototype.shift.call({length: 4294967295})",
        "Array.prototype.reduce.call({length: 4294967295}, function () {}, 0)",
        "var s = '\\u1234'.repeat(500000); for (var i = 0;; i += 7919) s.charCodeAt(i % 500000)",
        "var s = 'x'.repeat(500000); for (;;) escape(s)",
        "var s = '\"'.repeat(300000); for (;;) JSON.stringify(s)",
        "for (;;) Math.pow(1e308, Math.random()).toString(3)",
        "for (;;) (1e-300).toFixed(20)",
        "var b = new Uint8Array(4000000); for (;;) b.set(b.subarray(1), 0)");
    is(
        End.THREW,
        "var a = []; a.length = 4294967295; a.indexOf(1)",
        "var a = []; a[4294967294] = 1; a.sort()",
        "Array.prototype.slice.call({length: 4294967295}, 0)",
        "Array.prototype.splice.call({length: 4294967295}, 0, 1)",
        "Array.prototype.lastIndexOf.call({length: 4294967295}, 1)");
    is(
        End.TIMED_OUT,
        "var a = []; a.length = 2147483646; a.indexOf(1)",
        "var a = []; a[2147483645] = 1; a.sort()",
        "Array.prototype.slice.call({length: 2147483646}, 0)",
        "Array.prototype.splice.call({length: 2147483646}, 0, 1)",
        "Array.prototype.lastIndexOf.call({length: 2147483646}, 1)");
    is(
        End.TIMED_OUT,
        "Object.keys(new Uint8Array(10000)); for (;;);",
        "var s = '[' + '1,'.repeat(20000) + '1]'; for (;;) JSON.parse(s)",
        "var s = 'x'.repeat(50000); for (;;) s.split('')");
    is(
        End.OUT_OF_MEMORY,
        "Object.keys(new Uint8Array(1000000)); for (;;);",
        "var s = '[' + '1,'.repeat(200000) + '1]'; for (;;) JSON.parse(s)",
        "var s = 'x'.repeat(900000); for (;;) s.split('')");
  }

  private void regexps() {
    family = "regexps";
    is(
        End.TIMED_OUT,
        "/(x+x+)+y/.test('x'.repeat(60))",
        "/^(a|aa)+$/.test('a'.repeat(100) + 'b')",
        "/(a|a)*b/.test('a'.repeat(100))",
        "'a'.repeat(60).replace(/(a+)+$b/g, '')",
        "'a'.repeat(60).split(/(a+)+$b/)",
        "'a'.repeat(60).match(/(a+)+$b/)",
        "'a'.repeat(60).search(/(a+)+$b/)",
        "/(?=(a+)+$b)a/.test('a'.repeat(60))",
        "for (;;) /./.test('x')",
        "/([^]{1,99}[^]{1,99}[^]{1,99}[^]{1,99}x)/.test('a'.repeat(3000))");
    is(
        End.THREW,
        "new RegExp('('.repeat(100000))",
        "new RegExp('(?:'.repeat(50000) + ')'.repeat(50000))",
        "new RegExp('[' )");
    either(
        End.THREW,
        End.TIMED_OUT,
        "/(?:a?){1000}a{1000}/.test('a'.repeat(1000)); for (;;);",
        "new RegExp('a'.repeat(1000000)).test('a'); for (;;);");
    is(End.THREW, "/(a*)*b/.test('a'.repeat(60))", "/(.*)*x/.exec('a'.repeat(100))");
    is(End.OK, "new RegExp('a{99999999999}')");
  }

  private void gettersAndProxies() {
    family = "getters-and-proxies";
    is(
        End.TIMED_OUT,
        "psl_return({get x() { for (;;); }})",
        "psl_return(new Proxy({}, {ownKeys: function () { for (;;); }}))",
        "psl_return({toJSON: function () { for (;;); }})",
        "var e = new Error(); Object.defineProperty(e, 'message', {get: function () { for (;;); }}); throw e",
        "var e = new Error(); Object.defineProperty(e, 'stack', {get: function () { for (;;); }}); throw e",
        "print({toString: function () { for (;;); }})",
        "get({toJSON: function () { for (;;); }})",
        "put('k', {toJSON: function () { for (;;); }})",
        "var p = new Proxy({}, {has: function () { for (;;); }}); with (p) x",
        "for (var k in new Proxy({}, {ownKeys: function () { for (;;); }})) ;",
        "Object.defineProperty(this, 'x', {set: function () { for (;;); }}); x = 1");
    is(
        End.THREW,
        "psl_return({get x() { throw new Error('no') }})",
        "psl_return({toJSON: function () { return this }})",
        "psl_return({toJSON: function () { return {toJSON: this.toJSON} }})",
        "throw {get message() { throw 1 }, toString: function () { throw 2 }}",
        "throw new Proxy({}, {get: function () { throw 1 }})",
        "throw new Proxy(new Error('x'), {get: function () { throw 1 }})",
        "var p = new Proxy({}, {getPrototypeOf: function () { return p }}); p instanceof Object; throw p",
        "put('k', {get length() { return 5 }})");
    is(
        End.LIMIT,
        "psl_return((function () { var a = []; a.length = 4294967295; return a })())",
        "psl_return('x'.repeat(2000000))",
        "psl_return(new Uint8Array(2000000))");
    is(
        End.OK,
        "psl_return(new Proxy([1], {get: function (t, k) { return k === 'length' ? 3 : k }}))",
        "psl_return({toJSON: function () { return 'fine' }})");
  }

  private void finalizers() {
    family = "finalizers";
    is(
        End.OK,
        "psl_return(typeof Duktape)",
        "for (var i = 0; i < 1000; i++) ({}).x = function () {}; psl_return(1)");
    is(
        End.THREW,
        "Duktape.fin({}, function () { for (;;); })",
        "Duktape.gc()",
        "Duktape.act(-1)",
        "Duktape.info({})",
        "Duktape.dec('base64', 'AAAA')",
        "new Duktape.Thread(function () {})",
        "Duktape.errCreate = function () { for (;;); }; throw new Error()");
  }

  private void prototypes() {
    family = "prototypes";
    is(
        End.TIMED_OUT,
        "Object.prototype.toJSON = function () { for (;;); }; psl_return({})",
        "Object.defineProperty(Error.prototype, 'name', {get: function () { for (;;); }}); throw new Error()",
        "Array.prototype.join = function () { for (;;); }; '' + [1]",
        "Object.defineProperty(Array.prototype, 0, {set: function () { for (;;); }}); scan('')[0]; var a ="
            + " []; a[0] = 1; for (;;);");
    is(
        End.OK,
        "Object.prototype.evil = 1; Array.prototype.evil = 1; String.prototype.trim = null",
        "Object.setPrototypeOf(Function.prototype, null)",
        "for (var k in Object.getOwnPropertyDescriptors ? {} : {}) ; Array.prototype.push = null",
        "Object.freeze(Object.prototype); Object.freeze(this)",
        "delete Array.prototype.push; delete this.Object; delete this.print; delete this.get",
        "Error.prototype.name = 'x'.repeat(1000); Function.prototype.call = eval",
        "print = get = put = null; Math = JSON = Object = 0",
        "Object.defineProperty(Object.prototype, 'length', {value: 1e9}); psl_return([])",
        "Uint8Array.prototype.length; Object.setPrototypeOf(Uint8Array.prototype, null); get('k')");
    is(
        End.THREW,
        "Object.prototype.toString = null; throw {toString: null}",
        "Error = null; undefined.x");
  }

  private void hiddenSymbols() {
    family = "hidden-symbols";
    is(
        End.OK,
        "for (var i = 0x80; i < 0x100; i++) { var o = {}; o[String.fromCharCode(i) + 'host'] = 1;"
            + " if (Object.keys(o).length !== 1) throw new Error('hidden ' + i) }",
        "var k = text(bytes('\\u0082host')); var o = {}; o[k] = 1; psl_return(Object.keys(o).length)",
        "psl_return(Object.getOwnPropertySymbols(get).length)",
        "psl_return(Object.getOwnPropertySymbols(this).length)",
        "try { get('none') } catch (e) { psl_return(Object.getOwnPropertyNames(e)) }",
        "psl_return(String.fromCharCode(0x110082, 0xff).length)",
        "var s = unescape('%FFhost'); var o = {}; o[s] = 1; psl_return(Object.keys(o))");
    is(
        End.THREW,
        "text(new Uint8Array([0x82, 104]))",
        "text(new Uint8Array([0xff, 104, 111, 115, 116]))",
        "text(new Uint8Array([0xc0, 0x80]))",
        "text(new Uint8Array([0xed, 0xa0, 0x80]))",
        "text(new Uint8Array([0xf8, 0x88, 0x80, 0x80, 0x80]))",
        "put('\\u0082', new Uint8Array([0x82])); get('\\u0082', 'text')",
        "decodeURIComponent('%82')",
        "bytes(Symbol('x'))",
        "put(Symbol('x'), 'v')",
        "get.call.call(Symbol.for('x'))");
  }

  private void buffers() {
    family = "buffers";
    is(
        End.OK,
        "var b = new Uint8Array(8); b[100] = 1; b[-1] = 2; psl_return(b[100])",
        "var b = new ArrayBuffer(8), v = new DataView(b); try { v.getUint32(6) } catch (e) { psl_return(1) }",
        "new Float64Array(new Uint8Array(16).buffer, 8, 1)[0] = NaN; psl_return(1)",
        "var b = new Uint8Array(1000); for (var i = 0; i < 1000; i++) if (b[i]) throw i",
        "psl_return(new Uint8Array(new Uint8Array(9).buffer, 1, 8).subarray(-3).length)",
        "put('k', new Uint8Array(new ArrayBuffer(16), 4, 4)); psl_return(get('k').length)",
        "var b = new Uint8Array(4); put('k', b); b[0] = 9; psl_return(get('k')[0])");
    is(
        End.THREW,
        "new Uint8Array(-1)",
        "new Uint32Array(new ArrayBuffer(7))",
        "new Uint8Array(new ArrayBuffer(8), 9)",
        "new Uint8Array(new ArrayBuffer(8), 4, 8)",
        "new DataView(new ArrayBuffer(8)).setFloat64(1, 1)",
        "new Uint8Array(4).set(new Uint8Array(8))",
        "new Buffer(10)",
        "Uint8Array.allocPlain(10)",
        "Uint8Array.plainOf(new Uint8Array(10))",
        "new TextDecoder().decode(new Uint8Array([0xff]))");
    either(
        End.THREW,
        End.OUT_OF_MEMORY,
        "new Float64Array(1e9)",
        "new Uint8Array(4294967296)",
        "new ArrayBuffer(Infinity)");
  }

  private void hostCalls() {
    family = "host-calls";
    is(
        End.LIMIT,
        "for (;;) get('k')",
        "for (;;) put('k', 'v')",
        "for (;;) print('x')",
        "for (;;) { try { get() } catch (e) {} }",
        "for (;;) random(1)",
        "put('k', new Uint8Array(3000000))",
        "put('k', 'x'.repeat(3000000))",
        "get('x'.repeat(3000000))",
        "put('k', (function () { var a = []; a.length = 4294967295; return a })())");
    is(
        End.TIMED_OUT,
        "transaction(function () { for (;;); })",
        "print('x'.repeat(1000000)); for (;;);");
    is(
        End.THREW,
        "get()",
        "get(get)",
        "get({}, {}, {})",
        "put('k')",
        "transaction()",
        "transaction({})",
        "transaction(function () { throw new Error('rolled back') })",
        "transaction(function () { transaction(function () {}) })",
        "scan('', 1e9)",
        "cas('k', {}, {})",
        "random(-1)",
        "new get('k').x.y",
        "get.apply(null, [])",
        "register_function('x', function () {})",
        "incr('k', 9007199254740993)",
        "incr('k', 1e300)",
        "merge('k', 'no such operator', 'x')");
    is(
        End.OK,
        "get.call({}, 'k'); get.apply(undefined, ['k']); new get('k')",
        "get.prototype = print; print.x = 1; Object.freeze(put)",
        "psl_return(psl_get('none')); psl_return(2)");
  }

  private void compiler() {
    family = "compiler";
    is(
        End.THREW,
        "eval('('.repeat(200000) + '1')",
        "eval('['.repeat(200000))",
        "eval('{'.repeat(50000))",
        "eval('function f(){'.repeat(20000))",
        "eval('if(1)'.repeat(100000))",
        "eval('!'.repeat(200000) + '1')",
        "eval('a:'.repeat(100000) + ';')",
        "eval('1?'.repeat(50000))",
        "eval('new '.repeat(50000))",
        "eval('x='.repeat(100000) + '1')",
        "eval('var ' + 'a'.repeat(100) + '='); ",
        "new Function('('.repeat(50000), '')");
    either(
        End.THREW,
        End.TIMED_OUT,
        "eval('1' + '+1'.repeat(1000000)); for (;;);",
        "eval('f(' + '1,'.repeat(100000) + '1)')",
        "eval('[' + '1,'.repeat(100000) + '1]'); for (;;);",
        "eval('var a' + new Array(20000).join(',a') + ';'); for (;;);",
        "eval('switch(1){' + 'case 1:'.repeat(100000) + '}'); for (;;);",
        "eval('\"' + 'x'.repeat(1000000) + '\"'); for (;;);",
        "eval('/*' + '*'.repeat(1000000) + '*/'); for (;;);");
  }
}
