import HubContract
import Testing

@Suite("ETags and If-Match (contract §7.1, §7.3, §7.5)")
struct ETagTests {
  @Test("identity and twin ETags look like the original's")
  func texts() {
    #expect(ETags.identity(801_232_426) == "ODAxMjMyNDI2")
    #expect(ETags.identity(1) == "MQ==")
    #expect(ETags.twin(1) == "AAAAAAAAAAE=")
    #expect(ETags.twin(.max) == "//////////8=")
    #expect(ETags.quoted("MQ==") == "\"MQ==\"")
  }

  static let headers: [(String?, ETagCondition)] = [
    (nil, .absent), ("", .absent), ("  ", .absent), ("\"\"", .absent), ("*", .any), ("\"*\"", .any),
    (" * ", .any), ("\"MQ==\"", .exactly("MQ==")), ("MQ==", .exactly("MQ==")),
    ("W/\"MQ==\"", .exactly("MQ==")), ("W/MQ==", .exactly("MQ==")), ("\"", .exactly("\"")),
    (" \"a\" ", .exactly("a")),
  ]

  @Test("star, quoted, bare and weak forms are read", arguments: headers)
  func conditions(header: String?, expected: ETagCondition) {
    #expect(ETagCondition(ifMatch: header) == expected)
  }

  @Test("only the same ETag or a star allows")
  func allows() {
    #expect(ETagCondition.any.allows("x") && ETagCondition.absent.allows("x"))
    #expect(ETagCondition.exactly("x").allows("x") && !ETagCondition.exactly("x").allows("X"))
  }
}
