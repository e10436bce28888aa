import ByteIO
import JSONTree
import Testing

@Suite("Decimal numbers are read to the nearest double")
struct DecimalTextTests {
  private func read(_ text: String) -> Double? { DecimalText.double(text.utf8Span.span) }

  @Test("what is a number, and what is none")
  func grammar() {
    let numbers: [(String, Double)] = [
      ("0", 0), ("12", 12), (".5", 0.5), ("1.5e3", 1500), ("1E+2", 100), ("25e-1", 2.5),
      ("000", 0), ("0001.500", 1.5), ("0.000", 0), ("0e99", 0), ("1e999", .infinity), ("1e-999", 0),
      ("5e-324", .leastNonzeroMagnitude), ("1.7976931348623157e308", .greatestFiniteMagnitude),
      ("9007199254740993", 9_007_199_254_740_992), ("18446744073709551616", 18446744073709551616),
      ("0.1000000000000000055511151231257827", 0.1), ("9223372036854775807", 9223372036854775808),
    ]
    for (text, expected) in numbers { #expect(read(text) == expected, "\(text)") }
    for text in [
      "", ".", "1.", "e5", "1e", "1e+", "1.e5", "1..2", "1.2.3", "-1", "+1", " 1", "1 ", "0x1F",
      "1e5.0",
      "1e5e5", "nan", "inf", "1_0", "1,5", "\u{661}",
    ] {
      #expect(read(text) == nil, "\(text)")
    }
  }

  @Test("the same as the standard library's reader, for half a hundred thousand texts")
  func differential() {
    var generator = SeededGenerator(seed: 20)
    func digits(_ most: Int) -> String {
      String(
        (0..<Int.random(in: 1...most, using: &generator)).map { _ in
          Character(Unicode.Scalar(UInt8.random(in: 0x30...0x39, using: &generator)))
        }
      )
    }
    var wrong: [String] = []
    for round in 0..<50_000 {
      var text = digits(round.isMultiple(of: 3) ? 24 : 10)
      if Bool.random(using: &generator) { text += "." + digits(20) }
      if round.isMultiple(of: 4) { text += "e\(Int.random(in: -60...60, using: &generator))" }
      if round.isMultiple(of: 1000) { text += "e\(Int.random(in: -340...310, using: &generator))" }
      // The last row has two exponents now and then.
      let expected = text.count { $0 == "e" } > 1 ? nil : Double(text)
      if read(text) != expected { wrong.append(text) }
    }
    // What is exactly between two doubles, and next to it.
    for _ in 0..<2_000 {
      let value = Double(UInt64.random(in: 1 << 53...1 << 62, using: &generator))
      let half = UInt64(value) + UInt64(value.ulp / 2)
      for near in [half - 1, half, half + 1] {
        for scale in ["", "e-3", "e-20", "e5", "e27", "e-27"]
        where read("\(near)\(scale)") != Double("\(near)\(scale)") {
          wrong.append("\(near)\(scale)")
        }
      }
    }
    #expect(wrong.isEmpty, "\(wrong.prefix(5))")
  }
}
