/// Takes the frames of the engine's log stream apart: eight bytes of header, the first of them the
/// stream and the last four the length, and then what was written.
///
/// The log of a container with a terminal has no frames; all of it is output.
package struct LogFrames {
  /// The longest frame that is taken for one; the engines cut at 16 KiB.
  package static let lengthLimit = 16 << 20

  /// The stream is not made of frames.
  package struct Malformed: Error, Equatable {}

  private let isFramed: Bool
  private var header: [UInt8] = []
  private var stream = LogChunk.Stream.output
  private var left = 0

  package init(isFramed: Bool) { self.isFramed = isFramed }

  /// Takes what came, and gives what was written.
  package mutating func receive(_ bytes: [UInt8]) throws(Malformed) -> [LogChunk] {
    guard isFramed else { return bytes.isEmpty ? [] : [LogChunk(.output, bytes)] }
    var chunks: [LogChunk] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      if left > 0 {
        let part = rest.prefix(left)
        chunks.append(LogChunk(stream, Array(part)))
        left -= part.count
        rest = rest.dropFirst(part.count)
        continue
      }
      let part = rest.prefix(8 - header.count)
      header += part
      rest = rest.dropFirst(part.count)
      guard header.count == 8 else { break }
      // 0 is the input's echo, which engines count as output.
      guard header[0] <= 2, header[1...3].allSatisfy({ $0 == 0 }) else { throw Malformed() }
      stream = header[0] == 2 ? .error : .output
      left = header[4...].reduce(0) { $0 << 8 | Int($1) }
      guard left <= Self.lengthLimit else { throw Malformed() }
      header = []
    }
    return chunks
  }
}

extension LogChunk {
  /// This as a frame of the engine's log stream.
  package var frame: [UInt8] {
    let count = UInt32(clamping: bytes.count)
    return [stream.rawValue, 0, 0, 0]
      + (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) }
      + bytes
  }
}
