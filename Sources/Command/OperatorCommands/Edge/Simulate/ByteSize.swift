import ArgumentParser

/// An amount of bytes as people write it: `512`, `1KiB`, `20MB`, `1.5GiB`.
package struct ByteSize: ExpressibleByArgument, Equatable, Sendable, CustomStringConvertible {
  /// The bytes.
  package let byteCount: UInt64

  /// Creates a size.
  package init(_ byteCount: UInt64) { self.byteCount = byteCount }

  /// Reads a size; nil if it is none, or of a pebibyte and more.
  package init?(argument: String) {
    let digits = argument.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard let number = Double(digits), number >= 0 else { return nil }
    let factor: Double
    switch argument.dropFirst(digits.count) {
    case "", "B": factor = 1
    case "KiB", "K", "k": factor = 1024
    case "MiB", "M": factor = 1_048_576
    case "GiB", "G": factor = 1_073_741_824
    case "TiB", "T": factor = 1_099_511_627_776
    case "kB", "KB": factor = 1000
    case "MB": factor = 1_000_000
    case "GB": factor = 1_000_000_000
    default: return nil
    }
    let product = number * factor
    guard product < 1_125_899_906_842_624 else { return nil }
    byteCount = UInt64(product.rounded())
  }

  /// As people read it, to three digits.
  package var description: String {
    var number = Double(byteCount)
    for unit in ["B", "KiB", "MiB", "GiB"] {
      if number < 1000 || unit == "GiB" {
        guard unit != "B", number < 100 else { return "\(UInt64(number.rounded())) \(unit)" }
        let tenths = UInt64((number * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(unit)"
      }
      number /= 1024
    }
    return "\(byteCount) B"
  }

  /// How the help text shows the default.
  package var defaultValueDescription: String { description }
}
