import JSONTree
import QueryLanguage
import Testing

@Suite("Routing conditions (hub contract 9.4)")
struct ConditionTests {
  private func check(_ rows: [(String, Truth)]) {
    let message = Message.sample()
    for (text, expected) in rows {
      do {
        let truth = try Condition(text).evaluate(message)
        #expect(truth == expected, "\(text)")
      } catch {
        Issue.record("\(text): \(error.message)")
      }
    }
  }

  @Test("names, properties and literals")
  func names() {
    check([
      ("", .true), ("  /* nothing */ ", .true), ("true", .true), ("false", .false),
      ("undefined", .undefined), ("null", .undefined), ("level = '5'", .true),
      ("level = \"5\"", .true), ("level='5'", .true), ("level != '6'", .true),
      ("level <> '6'", .true), ("level = '6'", .false), ("absent = 'x'", .undefined),
      ("absent != 'x'", .undefined), ("a-b = 'hyphen'", .true), ("é = 'accent'", .true),
      ("TRUE = 'shout'", .true), ("5g = 'radio'", .true), ("empty = ''", .true),
      ("level", .undefined), ("'text'", .undefined), ("5", .undefined),
      ("$connectionDeviceId = 'dev1'", .true), ("$contentType = 'mine'", .true),
      ("{$contentType} = 'mine'", .false), ("{ $messageId } = 'm-1'", .true),
      ("$absent = 'x'", .undefined), ("name/* c */=/* c */'Pump-7'", .true),
      ("'it\\'s' = \"it's\"", .true), ("'\\u00e9\\ud83d\\ude00' = 'é😀'", .true),
      ("'a\\\\b' = \"a\\\\b\"", .true), ("'say \"x\"' = \"say \\\"x\\\"\"", .true),
    ])
  }

  @Test("precedence, tightest first: sign, * / %, + -, order, equality, AND, OR, ??")
  func precedence() {
    check([
      ("1 + 2 * 3 = 7", .true), ("(1 + 2) * 3 = 9", .true), ("10 - 4 - 3 = 3", .true),
      ("100 / 10 / 5 = 2", .true), ("7 % 4 * 2 = 6", .true), ("- 2 * - 3 = 6", .true),
      ("2 - -3 = 5", .true), ("-$body.n = -7", .true), ("-length('ab') = -2", .true),
      ("1 < 2 = true", .true), ("true = 1 < 2", .true), ("3 > 2 <> 2 > 3", .true),
      ("true OR true AND false", .true), ("(true OR true) AND false", .false),
      ("NOT false AND false", .false), ("NOT (false AND false)", .true),
      ("NOT true = false", .true), ("undefined ?? false OR true", .true),
      ("'a' || 'b' = 'ab'", .true), ("'a' || 'b' || 'c' = 'abc'", .true),
      ("false or TRUE = 'shout'", .true), ("not false", .true), ("nOt NOT true", .true),
      ("1 = 1 aNd 2 = 2", .true),
    ])
  }

  @Test("three-valued logic")
  func logic() {
    check([
      ("undefined AND false", .false), ("false AND undefined", .false),
      ("undefined AND true", .undefined), ("true AND undefined", .undefined),
      ("undefined OR true", .true), ("true OR undefined", .true),
      ("undefined OR false", .undefined), ("false OR undefined", .undefined),
      ("undefined AND undefined", .undefined), ("NOT undefined", .undefined),
      ("absent = 'x' OR level = '5'", .true), ("absent = 'x' AND level = '6'", .false),
      ("NOT (absent = 'x')", .undefined), ("$body.yes", .true), ("$body.no", .false),
      ("NOT $body.no", .true), ("NOT $body.s", .undefined), ("$body.s AND true", .undefined),
      ("$body.s OR true", .true), ("$body.yes AND $body.t > 20", .true),
      ("(absent ?? 'x') = 'x'", .true),
      ("(level ?? 'x') = '5'", .true), ("($body.absent ?? 3) = 3", .true),
      ("($body.absent ?? $body.n) = 7", .true), ("$body.absent ?? true", .true),
      ("$body.no ?? true", .false),
    ])
  }

  @Test("numbers: exact integers, doubles, division by zero")
  func numbers() {
    check([
      ("0x1F = 31", .true), ("0xff = 255", .true), (".5 = 0.5", .true), ("1.5e3 = 1500", .true),
      ("1e+2 = 100", .true), ("1E-2 = 0.01", .true), ("5 / 2 = 2.5", .true),
      ("9007199254740993 = 9007199254740992", .false),
      ("$body.big = 9007199254740993", .true), ("$body.big = 9007199254740992", .false),
      ("9223372036854775807 + 1 > 9223372036854775807", .false),
      ("9223372036854775807 + 1 = 9223372036854775808", .true),
      ("-9223372036854775808 = -9223372036854775808.0", .true),
      ("9223372036854775807 * 2 > 1e18", .true), ("1 / 0 > 1e308", .true),
      ("-1 / 0 < -1e308", .true), ("0 / 0 = 0", .undefined), ("5 % 0 = 0", .undefined),
      ("-7 % 4 = -3", .true), ("7.5 % 2 = 1.5", .true), ("-(-9223372036854775807 - 1) > 0", .true),
      ("(-9223372036854775807 - 1) % -1 = 0", .true), ("1 = 1.0", .true),
      ("18446744073709551615 > 1", .true), ("0xFFFFFFFFFFFFFFFF > 1e19", .true),
    ])
  }

  @Test("bodies and twins are dynamically typed")
  func documents() {
    check([
      ("$body.t > 20", .true), ("$body.t > 22", .false), ("$BODY.t > 20", .true),
      ("$body.T > 20", .undefined), ("$body.n = 7", .true), ("$body.n + 1 = 8", .true),
      ("$body.s = 'warm'", .true), ("$body.s = 5", .undefined), ("$body.s != 5", .undefined),
      ("$body.s + 1 = 5", .undefined), ("$body.s || '!' = 'warm!'", .true),
      ("$body.n || 'x' = '7x'", .undefined), ("$body.a[0] = 1", .true),
      ("$body.a[1][1] = 3", .true), ("$body.a[2].c = 'deep'", .true),
      ("$body.a[9] = 1", .undefined), ("$body.a[99999999999999] = 1", .undefined),
      ("$body.o.p.q = 1", .true), ("$body.o = 1", .undefined), ("$body.a = $body.a", .undefined),
      ("$body.o.absent = 1", .undefined), ("$body.[[odd name]] = 3", .true),
      ("$body.o[[p]].q = 1", .true), ("$body.z = null", .true), ("$body.n = null", .false),
      ("$body.n != null", .true), ("$body.absent = null", .undefined), ("$body.z < 1", .undefined),
      ("$body.yes = true", .true), ("$body.yes > false", .true), ("$body.n > $body.t", .false),
      ("$body.s > $body.n", .undefined), ("name < 'Q'", .true), ("name = $body.s", .false),
      ("$twin.tags.site = 'north'", .true), ("$twin.properties.desired.limit < $body.t", .true),
      ("$twin.properties.reported.fw = '1.2.10'", .true), ("$twin.tags.[[a b]] = 1", .true),
      ("$twin.tags.absent = 1", .undefined), ("$body = 'x'", .undefined),
    ])
  }

  @Test("text compares by Unicode scalars, not by alphabet or normalisation")
  func ordinal() {
    check([
      ("'B' < 'a'", .true), ("'a' < 'b'", .true), ("'a' < 'aa'", .true), ("'10' < '9'", .true),
      ("'é' = 'e\\u0301'", .false), ("'Z' < 'é'", .true), ("'\\uffff' < '😀'", .true),
      ("'2020-01-02T00:00:00Z' > '2020-01-01T23:00:00Z'", .true), ("'a' >= 'a'", .true),
      ("'a' <= 'B'", .false),
    ])
  }

  @Test("functions on numbers")
  func numericFunctions() {
    check([
      ("abs(-3) = 3", .true), ("ABS(-2.5) = 2.5", .true), ("abs($body.s) = 1", .undefined),
      ("square(5) = 25", .true), ("ceiling(1.2) = 2", .true), ("floor(-1.2) = -2", .true),
      ("floor($body.big) = 9007199254740993", .true), ("sign(-9) = -1", .true),
      ("sign(0) = 0", .true), ("sqrt(16) = 4", .true), ("sqrt(-1) = 0", .undefined),
      ("power(2, 10) = 1024", .true), ("power(2, -1) = 0.5", .true),
      ("power(-2, 3) = -8", .true), ("power(-8, 0.5) = 0", .undefined), ("power(0, 0) = 1", .true),
      ("abs(power(2, 0.5) - 1.4142135623730951) < 1e-15", .true),
      ("abs(power(10, 2.5) - 316.22776601683796) < 1e-12", .true), ("exp(0) = 1", .true),
      ("abs(exp(1) - 2.718281828459045) < 1e-15", .true),
      ("abs(exp(-20) / 2.0611536224385579e-9 - 1) < 1e-14", .true),
      ("abs(exp(700) / 1.0142320547350045e304 - 1) < 1e-13", .true),
      ("exp(800) > 1e308", .true), ("exp(-800) = 0", .true), ("as_number(level) = 5", .true),
      ("as_number(blank) = 12.5", .true), ("as_number(word) > 1", .undefined),
      ("as_number('-1e2') = -100", .true), ("as_number('0x10') = 16", .undefined),
      ("as_number('nan') = 1", .undefined), ("as_number('inf') > 1", .undefined),
      ("as_number('') = 0", .undefined), ("as_number('1 2') = 1", .undefined),
      ("as_number('- 1') = -1", .undefined), ("as_number(absent) > 1", .undefined),
      ("as_number($body.n) = 7", .true), ("as_number($body.o) = 7", .undefined),
    ])
  }

  @Test("functions on text count in UTF-16 units")
  func textFunctions() {
    check([
      ("length(name) = 6", .true), ("length('') = 0", .true), ("length($body.wide) = 4", .true),
      ("length($body.n) = 1", .undefined), ("length(absent) = 0", .undefined),
      ("lower(name) = 'pump-7'", .true), ("upper('aé') = 'AÉ'", .true),
      ("concat('a', name, 'b') = 'aPump-7b'", .true), ("concat('a', absent) = 'a'", .undefined),
      ("substring('hello', 1) = 'ello'", .true), ("substring('hello', 5) = ''", .true),
      ("substring('hello', 6) = ''", .undefined), ("substring('hello', -1) = ''", .undefined),
      ("substring('hello', 1, 3) = 'ell'", .true), ("substring('hello', 1, 9) = ''", .undefined),
      ("substring('hello', 5, 0) = ''", .undefined), ("substring('hello', 0.5) = ''", .undefined),
      ("substring($body.wide, 1, 2) = '😀'", .true), ("substring($body.wide, 3) = 'é'", .true),
      ("substring($body.wide, 2) = 'é'", .undefined),
      ("substring('abc', 1, 1e300) = ''", .undefined), ("index_of('hello', 'l') = 2", .true),
      ("index_of('hello', 'z') = -1", .true), ("index_of($body.wide, 'é') = 3", .true),
      ("index_of('aabaabaaab', 'aaab') = 6", .true), ("index_of('x', '') = 0", .true),
      ("starts_with(name, 'Pump')", .true), ("startsWith(name, 'pump')", .false),
      ("ENDS_WITH(name, '-7')", .true), ("ends_with(name, '')", .true),
      ("contains(name, 'mp')", .true), ("contains(name, 'MP')", .false),
      ("contains('ab', 'abc')", .false), ("contains(absent, 'x')", .undefined),
      ("contains($body.n, '7')", .undefined), ("starts_with('e\\u0301', 'e')", .true),
    ])
  }

  @Test("functions on types")
  func typeFunctions() {
    check([
      ("is_defined(level)", .true), ("is_defined(absent)", .false),
      ("is_defined($body.z)", .true), ("is_defined($body.absent)", .false),
      ("is_defined($body.o)", .true), ("is_null($body.z)", .true), ("is_null($body.n)", .false),
      ("is_null($body.absent)", .false), ("is_bool($body.yes)", .true), ("is_bool(level)", .false),
      ("is_number($body.t)", .true), ("is_number(level)", .false), ("is_number(1/0)", .false),
      ("is_string(level)", .true), ("is_string($body.s)", .true), ("is_string($body.n)", .false),
      ("is_array($body.a)", .true), ("is_array($body.o)", .false), ("is_object($body.o)", .true),
      ("is_primitive($body.z)", .true), ("is_primitive($body.o)", .false),
      ("is_primitive($body.absent)", .false), ("NOT is_defined(absent)", .true),
      ("twin_change_includes(o.p)", .true), ("twin_change_includes('o.absent')", .false),
    ])
  }

  @Test("the body is asked for once, and only if it decides")
  func laziness() throws {
    let condition = try Condition(
      "level = '5' AND $body.n = 7 AND $body.t > 1 AND $twin.tags.x = 1"
    )
    #expect(condition.needsBody && condition.needsTwin && !condition.needsTwinChange)
    let message = Message.sample()
    #expect(condition.evaluate(message) == .undefined)
    #expect(message.asked.body == 1)
    #expect(message.asked.twin == 1)
    var other = Message.sample()
    other.application["level"] = "6"
    let fresh = Message(application: other.application)
    #expect(condition.evaluate(fresh) == .false)
    #expect(fresh.asked.body == 0)
    #expect(try !Condition("level = '5'").needsBody)
    #expect(try Condition("true").isAlwaysTrue)
    #expect(try Condition("").isAlwaysTrue)
    #expect(try Condition("twin_change_includes(tags.a)").needsTwinChange)
    #expect(try Condition("true OR $body.n = 1").evaluate(message) == .true)
    #expect(message.asked.body == 1)
  }

  @Test("bodies are read for JSON in a Unicode encoding only")
  func readable() throws {
    let rows: [(String?, String?, Bool)] = [
      ("application/json", "utf-8", true), ("Application/JSON;charset=utf-8", "UTF-16", true),
      ("application/json ; x=y", "utf-32", true), ("application/json", nil, false),
      (nil, "utf-8", false), ("application/json", "ascii", false), ("text/json", "utf-8", false),
      ("application/jsonx", "utf-8", false), ("", "", false),
    ]
    for (type, encoding, expected) in rows {
      #expect(Condition.isReadable(contentType: type, contentEncoding: encoding) == expected)
    }
    var message = Message.sample()
    message.system["contentEncoding"] = "base64"
    #expect(try Condition("is_defined($body.n)").evaluate(message) == .false)
    #expect(message.asked.body == 0)
  }

  @Test("a message that cannot be copied is only borrowed")
  func noncopyable() throws {
    struct Borrowed: ~Copyable, MessageFields {
      let level: String
      func applicationProperty(_ name: String) -> String? { name == "level" ? level : nil }
      func systemProperty(_ name: String) -> String? { nil }
      func body() -> JSONValue? { nil }
      func twin() -> JSONValue? { nil }
    }
    let message = Borrowed(level: "5")
    let truths = [
      try Condition("level = '5'").evaluate(message),
      try Condition("level = '6'").evaluate(message),
      try Condition("$body.a = 1").evaluate(message),
    ]
    #expect(truths == [.true, .false, .undefined])
  }

  @Test("an evaluation builds no text larger than a message")
  func joinedText() throws {
    var message = Message.sample()
    message.bodyValue = ["s": .string(String(repeating: "x", count: 200_000))]
    #expect(try Condition("is_defined($body.s || 'x')").evaluate(message) == .true)
    #expect(try Condition("is_defined($body.s || $body.s)").evaluate(message) == .false)
    #expect(try Condition("is_defined(concat($body.s, $body.s))").evaluate(message) == .false)
  }

  @Test("searching is linear for the texts that slow a plain scan")
  func search() throws {
    var message = Message.sample()
    let half = String(repeating: "a", count: 100_000)
    message.bodyValue = ["hay": .string(half + half), "needle": .string(half + "b")]
    #expect(try Condition("contains($body.hay, $body.needle)").evaluate(message) == .false)
    #expect(try Condition("index_of($body.needle, 'b') = 100000").evaluate(message) == .true)
  }
}
