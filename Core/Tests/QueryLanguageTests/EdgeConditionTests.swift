import JSONTree
import QueryLanguage
import Testing

@Suite("Routing conditions of the edge (edge contract 6.3 to 6.8)")
struct EdgeConditionTests {
  private func check(
    _ rows: [(String, Truth)],
    _ profiles: [Dialect.EdgeProfile] = Dialect.EdgeProfile.allCases
  ) {
    let message = EdgeMessage.sample()
    for (text, expected) in rows {
      for profile in profiles {
        do {
          let truth = try Condition(text, dialect: .edgeRouting(profile)).evaluate(message)
          #expect(truth == expected, "\(text), \(profile)")
        } catch {
          Issue.record("\(text), \(profile): \(error.message)")
        }
      }
    }
  }

  @Test("words (6.3)")
  func words() {
    check([
      ("", .true), (" /* nothing */ ", .true), ("true", .true), ("false", .false),
      ("undefined", .undefined), ("null", .false), ("level = '5'", .true), ("LEVEL = \"5\"", .true),
      ("Level='5'", .true), ("É = 'accent'", .true), ("5G = 'radio'", .true),
      ("A-B = 'hyphen'", .true), ("level", .undefined), ("'text'", .undefined), ("5", .undefined),
      ("$MESSAGEID = 'm-1'", .true), ("$connectionDeviceId = 'dev1'", .true),
      ("$contentType = 'mine'", .true), ("{$contentType} = 'Application/JSON'", .true),
      ("$absent = 'x'", .undefined), ("name/* c */=/* c */'Pump-7'", .true),
      ("'it\\'s' = \"it's\"", .true), ("'\\u00e9' = 'é'", .true), ("'a\\\\b' = \"a\\\\b\"", .true),
      ("12 = 12.0", .true), ("-3 < 0", .true), ("0x1F = 31", .true), (".5 = 0.5", .true),
      ("1.5e3 = 1500", .true), ("TRUE = 'x'", .undefined), ("$body = 'x'", .undefined),
      ("$twin.tags.a = '1'", .undefined), ("not false and nOt (true AND false)", .true),
      // An application property of the path's name goes first, braces skip it.
      ("$body.own = 'property'", .true), ("{$body.own} = 5", .true),
      ("$BODY.OWN = 'property'", .true),
      ("{$body.s} = 'warm'", .true),
    ])
  }

  @Test("precedence, strongest first (6.4)")
  func precedence() {
    check([
      ("1 + 2 * 3 = 7", .true), ("10 - 4 - 3 = 3", .true), ("100 / 10 / 5 = 2", .true),
      ("7 % 4 * 2 = 6", .true), ("- 2 * - 3 = 6", .true), ("'a' || 'b' || 'c' = 'abc'", .true),
      ("1 < 2 = true", .true), ("3 > 2 <> 2 > 3", .true), ("true OR true AND false", .true),
      ("(true OR true) AND false", .false), ("NOT false AND false", .false),
      ("1 = 2 ?? true", .false), ("(absent ?? 'x') = 'x'", .true), ("(level ?? 'x') = '5'", .true),
      ("absent = 'x' ?? true", .true), ("$body.absent ?? true", .true),
      ("$body.no ?? true", .false),
      ("(flag ?? 'x') = 'x'", .undefined),
    ])
  }

  @Test("missing and valueless properties, three-valued logic, null (6.6)")
  func values() {
    check([
      ("absent = 'x'", .undefined), ("absent != 'x'", .undefined), ("absent < 'x'", .undefined),
      ("flag = 'x'", .undefined), ("flag != ''", .undefined), ("flag = flag", .undefined),
      ("is_null(flag)", .true), ("is_defined(flag)", .true), ("is_string(flag)", .false),
      ("is_defined(empty)", .true), ("is_null(empty)", .false), ("is_null(absent)", .false),
      ("is_defined(absent)", .false), ("empty = ''", .true),
      ("undefined AND false", .false), ("false AND undefined", .false),
      ("undefined OR true", .true), ("true OR undefined", .true),
      ("undefined AND true", .undefined), ("true AND undefined", .undefined),
      ("undefined OR false", .undefined), ("false OR undefined", .undefined),
      ("undefined AND undefined", .undefined), ("NOT (absent = 'x')", .undefined),
      ("null AND true", .false), ("null AND undefined", .false), ("undefined AND null", .false),
      ("NOT (null AND true)", .true), ("NOT (true AND null)", .true),
      ("null OR true", .true), ("true OR null", .true), ("null OR undefined", .undefined),
      ("null OR false", .false), ("null OR null", .false), ("NOT null", .true),
      ("null = null", .true), ("null <> null", .false),
    ])
  }

  @Test("numbers are doubles, text is ordered by UTF-16 units (6.3, 6.6)")
  func comparisons() {
    check([
      ("9007199254740993 = 9007199254740992", .true), ("$body.big = 9007199254740992", .true),
      ("as_number(big) = as_number('9007199254740992')", .true),
      ("9223372036854775807 + 1 = 9223372036854775807", .true),
      ("1 / 0 > 1e308", .true), ("-1 / 0 < -1e308", .true), ("0 / 0 = 0", .undefined),
      ("5 % 0 = 0", .undefined), ("-7 % 4 = -3", .true), ("7 % -4 = 3", .true),
      ("5 / 2 = 2.5", .true), ("'B' < 'a'", .true), ("'a' < 'aa'", .true), ("'10' < '9'", .true),
      ("'a' = 'A'", .false), ("'😀' < '\\uffff'", .true), ("'\\ue000' > '😀'", .true),
      ("'😀' < '\\ud7ff'", .false), ("'😀a' < '😀b'", .true), ("'é' = 'e\\u0301'", .false),
      ("'2026-01-02' > '2026-01-01'", .true), ("true > false", .true), ("false >= true", .false),
    ])
  }

  @Test("bodies: nothing is converted, a missing member compares as null (6.7, DIFF 17)")
  func bodies() {
    check([
      ("$body.t > 20", .true), ("$Body.t > 20", .true), ("$body.T > 20", .false),
      ("$body.n = 7", .true), ("$body.n + 1 = 8", .true), ("-$body.n = -7", .true),
      ("$body.n % 4 = 3", .true), ("$body.s || '!' = 'warm!'", .true), ("$body.s = 'warm'", .true),
      ("$body.n = '7'", .false), ("$body.n != '7'", .true), ("$body.s > 5", .true),
      ("$body.n < 'a'", .true), ("$body.yes < 0", .true), ("$body.z < false", .true),
      ("$body.z = null", .true), ("$body.z <= null", .true), ("$body.z < null", .false),
      ("$body.n <> null", .true), ("$body.x = null", .true), ("$body.x <> 'a'", .true),
      ("$body.x = 'a'", .false), ("$body.x < 5", .true), ("$body.o.x.y = null", .true),
      ("$body.n.x = null", .true), ("$body.a[0] = 1", .true), ("$body.a[1][1] = 3", .true),
      ("$body.a[2].c = 'deep'", .true), ("$body.a[9] = null", .true),
      ("$body.o = null", .undefined), ("$body.a = $body.a", .undefined),
      ("$body.o.p.q = 1", .true), ("is_defined($body.x)", .false), ("is_defined($body.z)", .true),
      ("is_defined($body.n)", .true), ("is_defined($body.o)", .false),
      ("is_null($body.z)", .true), ("is_null($body.n)", .false), ("is_null($body.x)", .true),
      ("is_bool($body.yes)", .true), ("is_bool($body.n)", .false), ("is_string($body.s)", .true),
      ("is_number($body.t)", .true), ("is_number($body.s)", .false),
      ("$body.yes", .true), ("$body.no", .false), ("$body.z", .false), ("$body.s", .undefined),
      ("$body.x", .undefined), ("$body.yes AND true", .true), ("true AND $body.yes", .true),
      ("$body.no OR $body.yes", .true), ("NOT $body.no", .true), ("NOT $body.z", .true),
      ("NOT $body.s", .undefined), ("$body.s AND true", .undefined), ("$body.yes = true", .true),
      ("name = $body.s", .false), ("level = $body.own", .false),
      ("($body.x ?? 3) = 3", .true), ("($body.x ?? $body.n) = 7", .true),
      ("$body.s + 1 = 5", .undefined), ("$body.o + 1 = 5", .undefined),
    ])
  }

  @Test("a body that is no JSON object in a Unicode encoding is undefined (6.7)")
  func unreadableBodies() throws {
    let rows: [(String, String?, JSONValue, Truth)] = [
      ("application/json", "utf-8", ["n": 7], .true),
      ("APPLICATION/json", "utf-16", ["n": 7], .true),
      ("application/json", "UTF-32", ["n": 7], .true),
      ("application/json; charset=utf-8", "utf-8", ["n": 7], .undefined),
      ("application/json ", "utf-8", ["n": 7], .undefined),
      ("text/json", "utf-8", ["n": 7], .undefined), ("application/json", nil, ["n": 7], .undefined),
      ("application/json", "ascii", ["n": 7], .undefined),
      ("application/json", "utf-8", [["n": 7]], .undefined),
      ("application/json", "utf-8", 7, .undefined), ("application/json", "utf-8", nil, .undefined),
    ]
    for (type, encoding, body, expected) in rows {
      var message = EdgeMessage.sample()
      message.system["contenttype"] = type
      message.system["contentencoding"] = encoding
      message.bodyValue = body
      let condition = try Condition("$body.n = 7", dialect: .edgeRouting(.contract))
      #expect(condition.evaluate(message) == expected, "\(type), \(encoding ?? "-"), \(body)")
      let missing = try Condition("$body.x = null", dialect: .edgeRouting(.contract))
      #expect(missing.evaluate(message) == expected, "\(type), \(encoding ?? "-"), \(body)")
    }
  }

  @Test("functions (6.8)")
  func functions() {
    check([
      ("ABS(-3) = 3", .true), ("exp(0) = 1", .true), ("power(2, 10) = 1024", .true),
      ("square(5) = 25", .true), ("ceiling(1.2) = 2", .true), ("floor(-1.2) = -2", .true),
      ("sign(-9) = -1", .true), ("sqrt(16) = 4", .true), ("sqrt(-1) = 0", .undefined),
      ("as_number(level) = 5", .true), ("as_number(blank) = 12.5", .true),
      ("as_number(word) > 1", .undefined), ("as_number('0x10') = 16", .undefined),
      ("as_number('') = 0", .undefined), ("as_number(flag) = 0", .undefined),
      ("as_number(absent) = 0", .undefined), ("length('a😀') = 3", .true),
      ("length(absent) = 0", .undefined), ("length($body.n) = 1", .undefined),
      ("lower(name) = 'pump-7'", .true), ("upper('aé') = 'AÉ'", .true),
      ("concat('a', name, 'b') = 'aPump-7b'", .true), ("concat('a', flag) = 'a'", .true),
      ("'a' || flag = 'a'", .true), ("concat('a', absent) = 'a'", .undefined),
      ("concat($body.s, '!') = 'warm!'", .true), ("concat($body.n, '!') = '7!'", .undefined),
      ("substring('hello', 1) = 'ello'", .true), ("substring('hello', 5) = ''", .true),
      ("substring('hello', 6) = ''", .undefined), ("substring('hello', -1) = ''", .undefined),
      ("substring('hello', 1, 3) = 'ell'", .true), ("substring('hello', 5, 0) = ''", .undefined),
      ("substring('hello', 2, 4) = ''", .undefined), ("index_of('hello', 'l') = 2", .true),
      ("index_of('hello', 'z') = -1", .true), ("index_of($body.wide, 'é') = 3", .true),
      ("starts_with(name, 'Pump')", .true), ("starts_with(name, 'pump')", .false),
      ("ENDS_WITH(name, '-7')", .true), ("contains(name, 'mp')", .true),
      ("contains(absent, 'x')", .undefined), ("is_number(1/0)", .false), ("is_number(5)", .true),
      ("is_bool(true)", .true), ("is_bool(level)", .false), ("is_null(null)", .true),
      ("is_string(level)", .true), ("is_defined(undefined)", .false),
    ])
  }

  @Test("the lenient profile reads properties as what they are compared with (EXT 1, EXT 2)")
  func lenient() throws {
    check(
      [
        ("level > 3", .true), ("3 < LEVEL", .true), ("level > 2 + 3", .false),
        ("level = as_number('5')", .true), ("alert = true", .true), ("true != alert", .false),
        ("off = false", .true), ("word > 3", .undefined), ("word = true", .undefined),
        ("absent > 3", .undefined), ("flag > 3", .undefined), ("flag = true", .undefined),
        ("level = '5'", .true), ("word = 'high' and alert = true", .true), ("blank > 12", .true),
        ("$messageId > 5", .undefined), ("(absent ?? level) > 3", .true),
      ],
      [.lenient]
    )
    let condition = try Condition("level > 3 and off = false", dialect: .edgeRouting(.lenient))
    #expect(
      condition.extensions.map(\.rule) == [.propertyComparedWithNumber, .propertyComparedWithTruth]
    )
    #expect(condition.extensions.map(\.offset) == [0, 14])
    #expect(try Condition("level = '5'", dialect: .edgeRouting(.lenient)).extensions.isEmpty)
  }
}
