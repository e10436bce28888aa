import Platform
import Testing

@Suite("Guesses of misspelt words")
struct SpellingTests {
  private static let words = [
    "listen.mqtt_port", "listen.https_port", "sas.skew_seconds", "log.partitions", "device", "twin",
    "ca",
  ]

  @Test(
    "a letter left out, added, taken for another or swapped is guessed",
    arguments: [
      ("devcie", "device"), ("devic", "device"), ("ddevice", "device"), ("dewice", "device"),
      ("twni", "twin"), ("sas.skwe_seconds", "sas.skew_seconds"),
      ("log.partition", "log.partitions"), ("listen.mqttport", "listen.mqtt_port"),
    ]
  )
  func near(_ word: String, _ meant: String) {
    #expect(Spelling.nearest(to: word, among: Self.words) == meant)
  }

  @Test(
    "what is nothing like any of them is not",
    arguments: ["no.such_key", "frobnicate", "port", "x", "", "registry", "twist.and.shout"]
  )
  func far(_ word: String) {
    #expect(Spelling.nearest(to: word, among: Self.words) == nil)
  }

  @Test("the nearest of several is taken, the first of equals")
  func nearest() {
    #expect(Spelling.nearest(to: "aaab", among: ["aabb", "aaaa"]) == "aabb")
    #expect(Spelling.nearest(to: "abcdef", among: ["abxxef", "abcxef"]) == "abcxef")
    #expect(Spelling.nearest(to: "word", among: []) == nil)
  }
}
