import HubContract
import JSONTree
import OrreryModule
import Testing

@Suite("A module's messages (edge contract section 14)")
struct ModuleMessageTests {
  private let topics = ModuleTopics(IdentityKey(deviceID: "d#1", moduleID: "m"))

  private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  @Test func `An output is a topic with the message's properties`() throws {
    var message = ModuleMessage(json: ["a": 1], properties: ["b c": "d/e", "a": ""])
    message.messageID = "1"
    #expect(message.body == Array(#"{"a":1}"#.utf8))
    #expect(
      text(try topics.topic(of: message, to: "out put"))
        == "devices/d#1/modules/m/messages/events/$.on=out%20put&$.mid=1"
        + "&$.ct=application%2Fjson&$.ce=utf-8&a=&b%20c=d%2Fe"
    )
  }

  @Test func `What the hub would refuse is refused before it is sent`() throws {
    // The name of the output counts too.
    let room = ModuleClient.messageLimit - "out".utf8.count
    _ = try topics.topic(of: ModuleMessage([UInt8](repeating: 1, count: room)), to: "out")
    #expect(throws: PropertyFault.messageTooLarge(ModuleClient.messageLimit + 1)) {
      try topics.topic(of: ModuleMessage([UInt8](repeating: 1, count: room + 1)), to: "out")
    }
    var message = ModuleMessage([1])
    message.messageID = String(repeating: "i", count: 128)
    _ = try topics.topic(of: message, to: "out")
    message.messageID = String(repeating: "i", count: 129)
    #expect(throws: PropertyFault.messageIDTooLong(129)) {
      try topics.topic(of: message, to: "out")
    }
  }

  @Test func `An input's topic says what the sender said`() throws {
    let topic = "devices/d#1/modules/m/inputs/in%20put/%24.cdid=leaf&%24.ct=text%2Fplain&a%20b=1&n"
    let message = try #require(topics.message(Array(topic.utf8), [1, 2]))
    #expect(message.input == "in put")
    #expect(message.body == [1, 2])
    #expect(message.deviceID == "leaf")
    #expect(message.moduleID == nil)
    #expect(message.contentType == "text/plain")
    #expect(message.properties == ["a b": "1", "n": ""])
  }

  @Test func `An input without properties, and with nothing behind it, is one`() {
    for end in ["x", "x/"] {
      let topic = Array("devices/d#1/modules/m/inputs/\(end)".utf8)
      #expect(topics.message(topic, [])?.input == "x")
    }
  }

  @Test func `Other topics are no messages`() {
    for topic in [
      "devices/d#1/modules/n/inputs/x/", "devices/d#1/modules/m/input",
      "$iothub/twin/res/200/?$rid=1", "",
    ] {
      #expect(topics.message(Array(topic.utf8), []) == nil)
    }
  }
}
