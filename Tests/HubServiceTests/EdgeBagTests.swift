import Endpoints
import Testing

@Suite("What an edge below has put behind a message's properties (docs/edge/uplink.md)")
struct EdgeBagTests {
  private static let id = "&$.emid=0123456789abcdef-0123456789ABCDEF"

  @Test("it is left out, and nothing that the sender wrote")
  func end() {
    for (own, added) in [
      ("a=b", "&$.cdid=leaf&$.cmid" + Self.id), ("a=b", "&$.cdid=edge&$.cmid=m" + Self.id),
      ("", "&$.cdid=leaf&$.cmid" + Self.id), ("a=b", Self.id), ("", Self.id), ("a=b", ""),
      // Without the message's name it is the sender's own.
      ("a=b&$.cdid=leaf&$.cmid", ""), ("a=b&$.emid=0123", ""),
      ("$.emid=0123456789abcdef-0123456789ABCDEF", ""),
      // Only the last edge's is at the end.
      ("a=b&$.cdid=x" + Self.id + "&c=d", "&$.cdid=leaf&$.cmid" + Self.id),
      ("a=b&c=$.cmid", Self.id), ("$.cdid=x&$.cmid=y", "&$.cdid=leaf&$.cmid" + Self.id),
    ] {
      #expect(Self.end(of: own + added, from: 0) == own.utf8.count, "\(own)\(added)")
    }
    #expect(Self.end(of: "?" + Self.id, from: 1) == 1)
  }

  private static func end(of text: String, from start: Int) -> Int {
    let bag = Array(text.utf8)
    return Uplink.end(ofSenders: bag.span, from: start)
  }
}
