import Platform
import Testing

@Suite("Log lines")
struct LineLogHandlerTests {
  @Test("control characters are spelled out, all else stays")
  func visible() {
    for (text, expected) in [
      ("", ""), ("dévice 1/日本", "dévice 1/日本"), ("a\nb", "a\\u{a}b"), ("a\r\nb", "a\\u{d}\\u{a}b"),
      ("\u{1B}[31m", "\\u{1b}[31m"), ("a\u{0}b\u{7F}", "a\\u{0}b\\u{7f}"), ("\u{9B}", "\\u{9b}"),
      ("\u{2028}\u{202E}", "\\u{2028}\\u{202e}"),
    ] {
      #expect(LineLogHandler.visible(text) == expected)
    }
  }
}
