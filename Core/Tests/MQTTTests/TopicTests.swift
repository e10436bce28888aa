import MQTT
import Testing

@Suite("Topic names and filters (MQTT 3.1.1 §4.7)")
struct TopicTests {
  private func nameFault(_ name: [UInt8]) -> MQTTFault? {
    do { try Topic.checkName(name.span) } catch { return error }
    return nil
  }

  private func filterFault(_ filter: [UInt8]) -> MQTTFault? {
    do { try Topic.checkFilter(filter.span) } catch { return error }
    return nil
  }

  private func matches(_ name: String, _ filter: String) -> Bool {
    Topic.matches(ascii(name).span, filter: ascii(filter).span)
  }

  @Test("a forbidden byte is found at every place of names of every length")
  func names() {
    for count in 1...40 {
      let plain = [UInt8](repeating: 0x7E, count: count)
      #expect(nameFault(plain) == nil)
      for index in 0..<count {
        for (byte, fault) in [
          (0x23, MQTTFault.wildcardInTopicName), (0x2B, .wildcardInTopicName), (0, .nullCharacter),
          (0x80, .invalidUTF8), (0xFF, .invalidUTF8),
        ] as [(UInt8, MQTTFault)] {
          var name = plain
          name[index] = byte
          #expect(nameFault(name) == fault, "byte \(byte) at \(index) of \(count)")
        }
        for byte: UInt8 in [0x01, 0x22, 0x24, 0x2A, 0x2C, 0x7F] {
          var name = plain
          name[index] = byte
          #expect(nameFault(name) == nil, "byte \(byte) at \(index) of \(count)")
        }
      }
    }
    #expect(nameFault([]) == .emptyTopic)
    #expect(nameFault(ascii("Straße/温度/🌡")) == nil)
    #expect(nameFault(ascii("Straße/+")) == .wildcardInTopicName)
  }

  @Test("wildcards stand alone in their level, and # stands last")
  func filters() {
    for good in ["a", "/", "#", "+", "a/#", "+/+", "/+", "+/a/#", "a/+/b", "$SYS/#", "ß/+", "//"] {
      #expect(filterFault(ascii(good)) == nil, "\(good)")
    }
    for bad in ["a#", "#/a", "a+", "+a", "a/b+", "a/#/b", "##", "++", "a/+b/c", "/#/"] {
      #expect(filterFault(ascii(bad)) == .invalidTopicFilter, "\(bad)")
    }
    #expect(filterFault([]) == .emptyTopic)
    #expect(filterFault([0x61, 0]) == .nullCharacter)
    #expect(filterFault([0x61, 0xC3]) == .invalidUTF8)
  }

  @Test("what matches and what does not")
  func matching() {
    let matching = [
      ("a/b/c", "a/b/c"), ("a/b/c", "a/b/+"), ("a/b/c", "+/b/c"), ("a/b/c", "+/+/+"),
      ("a/b/c", "#"), ("a/b/c", "a/#"), ("a/b/c", "a/b/c/#"), ("a", "a/#"), ("a/", "a/#"),
      ("a/", "a/+"), ("/a", "+/+"), ("/a", "/+"), ("/", "+/+"), ("/", "#"), ("/", "/"),
      ("$SYS/a", "$SYS/#"), ("$SYS/a/b", "$SYS/a/+"), ("a/$b", "a/+"), ("a/$b", "#"),
      ("a//b", "a/+/b"),
    ]
    for (name, filter) in matching {
      #expect(matches(name, filter), "\(name) \(filter)")
    }
    let other = [
      ("a/b/c", "a/b"), ("a/b", "a/b/c"), ("a/b/c", "a/+"), ("a", "a/+"), ("/a", "+"),
      ("$SYS/a", "#"), ("$SYS/a", "+/a"), ("$SYS", "+"), ("A", "a"), ("ab", "a/#"), ("a", "a/"),
      ("a/", "a"), ("b", "a/#"), ("", "#"), ("a", ""), ("a/b", "a/b/+"), ("a/b", "a/b/c/#"),
    ]
    for (name, filter) in other {
      #expect(!matches(name, filter), "\(name) \(filter)")
    }
  }
}
