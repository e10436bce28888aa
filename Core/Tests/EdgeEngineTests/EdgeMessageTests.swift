import ByteIO
import EdgeEngine
import HubContract
import QueryLanguage
import Testing

@Suite("Messages of an edge, as routes ask them (edge contract 6.3, 6.6, 6.7)")
struct EdgeMessageTests {
  private func check(
    _ rows: [(String, Truth)],
    bag: String,
    body: [UInt8] = [],
    source: MessageSource = .output("alarm", module: "reader"),
    sender: IdentityKey = IdentityKey(deviceID: "edge1", moduleID: "reader")
  ) throws {
    let bag = Array(bag.utf8)
    let message = EdgeMessage(
      source: source,
      sender: sender,
      enqueuedTime: .epoch,
      messageID: "0af7",
      bag: bag.span,
      body: body.span
    )
    for (text, expected) in rows {
      let condition = try Condition(text, dialect: .edgeRouting(.contract))
      #expect(condition.evaluate(message) == expected, "\(text)")
    }
  }

  @Test("application properties: case does not count, the last wins, a key alone has no value")
  func application() throws {
    let bag = "Level=5&level=6&flag&%C3%89t%C3%A9=a%20b&twice=x&twice&$.mid=hidden&%24own=7&e="
    try check(
      [
        ("LEVEL = '6'", .true), ("flag = ''", .undefined), ("is_null(FLAG)", .true),
        ("ÉTÉ = 'a b'", .true), ("été = 'a b'", .true), ("is_null(twice)", .true),
        ("e = ''", .true), ("$own = '7'", .true), ("$OWN = '7'", .true),
        ("{$own} = '7'", .undefined),
        ("leve = '6'", .undefined), ("levels = '6'", .undefined), ("$.mid = 'x'", .undefined),
      ],
      bag: bag
    )
  }

  @Test("system properties; the sender is who has authenticated")
  func system() throws {
    let bag =
      "%24.mid=m1&%24.cid=c1&%24.uid=u1&%24.to=t1&%24.ctime=now&%24.schema=s1&%24.cdid=forged"
      + "&%24.cmid=forged&%24.on=forged"
    try check(
      [
        ("$messageId = 'm1'", .true), ("$correlationId = 'c1'", .true), ("$cid = 'c1'", .true),
        ("$userId = 'u1'", .true), ("$to = 't1'", .true), ("$creationTime = 'now'", .true),
        ("$messageSchema = 's1'", .true), ("$connectionDeviceId = 'edge1'", .true),
        ("$connectionModuleId = 'reader'", .true), ("$outputName = 'alarm'", .true),
        ("$inputName = 'x'", .undefined), ("$messageType = 'x'", .undefined),
        ("starts_with($enqueuedTime, '1970-01-01T00:00:00')", .true),
        ("$edgeMessageId = '0af7'", .true), ("$edgeHubOriginInterface = 'internal'", .true),
      ],
      bag: bag
    )
    try check(
      [
        ("$edgeHubOriginInterface = 'downstream'", .true),
        ("is_defined($connectionModuleId)", .false),
        ("$messageType = 'twinChangeNotification'", .true),
        ("$messageSchema = 'twinChangeNotification'", .true), ("$outputName = 'x'", .undefined),
      ],
      bag: bag,
      source: .twinChange,
      sender: IdentityKey(deviceID: "leaf")
    )
  }

  @Test("bodies in the three encodings")
  func bodies() throws {
    let text = #"{"é":5}"#
    let encodings: [(String, [UInt8])] = [
      ("utf-8", Array(text.utf8)),
      ("UTF-16", text.utf16.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }),
      ("utf-32", text.unicodeScalars.flatMap { [UInt8($0.value), 0, 0, 0] }),
    ]
    for (encoding, body) in encodings {
      let bag = "%24.ct=application%2Fjson&%24.ce=\(encoding)"
      try check([("$body.é = 5", .true), ("$body.e = null", .true)], bag: bag, body: body)
    }
    for broken in [[], [0xFF], Array("{".utf8), Array("[5]".utf8), Array("{} {}".utf8)] as [[UInt8]]
    {
      let bag = "%24.ct=application%2Fjson&%24.ce=utf-8"
      try check(
        [("$body.a = null", .undefined), ("is_defined($body.a)", .false)],
        bag: bag,
        body: broken
      )
    }
  }
}
