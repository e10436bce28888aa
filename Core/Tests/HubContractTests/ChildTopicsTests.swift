import ByteIO
import HubContract
import Testing

@Suite("Topics of those below an edge hub")
struct ChildTopicsTests {
  private static func split(_ text: String) -> String? {
    let topic = Array(text.utf8)
    return ChildTopics.split(topic.span).map { identity, start in
      "\(identity) \(String(decoding: topic[start...], as: UTF8.self))"
    }
  }

  @Test(
    "Whose topic it is, and what of it is its own",
    arguments: [
      ("$orrery/for/leaf/$iothub/twin/GET/?$rid=1", "leaf $iothub/twin/GET/?$rid=1"),
      ("$orrery/for/leaf/devices/leaf/messages/events/", "leaf devices/leaf/messages/events/"),
      ("$orrery/for/edge/modules/m/devicebound/#", "edge/m devicebound/#"),
      ("$orrery/for/modules/modules/modules/x", "modules/modules x"),
      ("$orrery/for/a%23b%2B%3F%25/x", "a#b+?% x"),
      ("$orrery/for/edge/modules/%24edgeAgent/", "edge/$edgeAgent "),
      ("$orrery/for/leaf/", "leaf "), ("$orrery/for/leaf", nil), ("$orrery/for//x", nil),
      ("$orrery/for/leaf/modules/", nil), ("$orrery/for/leaf/modules/m", nil),
      ("$orrery/for/leaf/modules//x", nil), ("$orrery/for/a%2/x", nil), ("$orrery/for/a%FF/x", nil),
      ("$orrery/for/a%2Fb/x", nil), ("$orrery/for/leaf/modules/%24other/x", nil),
      ("$orrery/for/#", nil), ("$orrery/fox/leaf/x", nil), ("", nil),
      ("$orrery/for/\(String(repeating: "d", count: 129))/x", nil),
    ] as [(String, String?)]
  )
  func split(text: String, expected: String?) { #expect(Self.split(text) == expected) }

  @Test("What is written is read again, whatever the IDs")
  func prefix() {
    for identity in [
      IdentityKey(deviceID: "a"), IdentityKey(deviceID: "modules", moduleID: "modules"),
      IdentityKey(deviceID: "$iothub", moduleID: "$edgeHub"),
      IdentityKey(deviceID: "-.+%_#*?!(),:=@$'", moduleID: "%2F"),
    ] {
      let topic = ChildTopics.prefix(of: identity) + Array("x/y".utf8)
      #expect(!topic.contains(UInt8(ascii: "#")) && !topic.contains(UInt8(ascii: "+")))
      let parts = ChildTopics.split(topic.span)
      #expect(parts?.identity == identity)
      #expect(parts.map { Array(topic[$0.start...]) } == Array("x/y".utf8))
    }
  }

  @Test("What an edge hub may subscribe to for a child")
  func filters() {
    let rows: [(String, ChildFilter, ChildFilter)] = [
      ("devicebound/#", .devicebound, .refused), ("$iothub/methods/POST/#", .own, .own),
      ("$iothub/methods/POST/a/#", .own, .own),
      ("$iothub/twin/PATCH/properties/desired/#", .own, .own),
      ("$iothub/twin/res/#", .refused, .refused), ("#", .refused, .refused),
      ("devices/leaf/messages/devicebound/#", .refused, .refused),
      ("devices/leaf/modules/m/inputs/#", .refused, .refused), ("", .refused, .refused),
    ]
    for (text, device, module) in rows {
      let filter = Array(text.utf8)
      let own = DeviceTopics(IdentityKey(deviceID: "leaf"))
      let modules = DeviceTopics(IdentityKey(deviceID: "leaf", moduleID: "m"))
      #expect(ChildFilter(filter.span, of: own) == device, "\(text)")
      #expect(ChildFilter(filter.span, of: modules) == module, "\(text)")
    }
  }

  @Test("Messages and their settlements name the lock")
  func locks() {
    let lock: [UInt8] = [0, 1, 255]
    let made = ChildDeliveryTopic.make(lock: lock, bag: Array("a=b%2F".utf8))
    let read = ChildDeliveryTopic(made.span)
    #expect(read?.lock == lock)
    #expect(read.map { Array(made[$0.bagStart...]) } == Array("a=b%2F".utf8))
    for outcome in ChildSettlement.Outcome.allCases {
      let settlement = ChildSettlement(lock: lock, outcome: outcome)
      #expect(ChildSettlement(settlement.topic.span) == settlement)
    }
    for text in [
      "devicebound/0001ff/", "devicebound/0001ff", "devicebound/0/complete",
      "devicebound/0g/complete",
      "devicebound/0001ff/completed", "devicebound", "",
    ] {
      let topic = Array(text.utf8)
      #expect(ChildSettlement(topic.span) == nil, "\(text)")
    }
  }

  @Test("Notices are read as they are written")
  func notices() {
    for notice in [ChildNotice.refused, .ended(reason: "taken-over"), .ended(reason: "")] {
      #expect(ChildNotice(notice.topic.span) == notice)
    }
    for text in ["refused", "ended/", "ended/?reason=x", "$iothub/twin/res/200/?$rid=1", ""] {
      let topic = Array(text.utf8)
      #expect(ChildNotice(topic.span) == nil, "\(text)")
    }
  }
}
