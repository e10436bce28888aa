/// Cuts a stream of bytes into lines, of which blank ones are left out.
///
/// A line beyond the limit is dropped up to its end and stands as one without bytes, so that memory
/// stays bounded and the lines behind it still count.
struct LineSplitter {
  /// One line.
  struct Line: Equatable, Sendable {
    /// Counted from 1, blank lines included.
    let number: Int
    /// Without its end; nil for a line beyond the limit.
    let bytes: [UInt8]?
  }

  private let limit: Int
  private var lines: [Line] = []
  private var open: [UInt8] = []
  private var isTooLong = false
  private var number = 1

  /// Cuts lines of at most `limit` bytes.
  init(limit: Int) { self.limit = limit }

  /// Complete lines that wait.
  var count: Int { lines.count }

  /// Takes more of the stream.
  mutating func append(_ bytes: some Collection<UInt8>) {
    var rest = bytes[...]
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
      add(rest[..<end])
      close()
      rest = rest[end...].dropFirst()
    }
    add(rest)
  }

  /// The stream has ended; what has no line end yet is the last line.
  mutating func finish() {
    if !open.isEmpty || isTooLong { close() }
  }

  /// Takes the first `count` lines, or all that there are.
  mutating func take(_ count: Int) -> [Line] {
    let taken = Array(lines.prefix(count))
    lines.removeFirst(taken.count)
    return taken
  }

  private mutating func add(_ bytes: some Collection<UInt8>) {
    guard !isTooLong else { return }
    guard open.count + bytes.count <= limit else {
      isTooLong = true
      open = []
      return
    }
    open.append(contentsOf: bytes)
  }

  private mutating func close() {
    let isBlank = open.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
    if isTooLong || !isBlank { lines.append(Line(number: number, bytes: isTooLong ? nil : open)) }
    number += 1
    open = []
    isTooLong = false
  }
}
