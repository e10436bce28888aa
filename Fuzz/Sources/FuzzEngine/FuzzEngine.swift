import Containers
import JSONTree

/// Any bytes as what a container engine sends: the first says what the others are, the second by how
/// many they come.
@c(LLVMFuzzerTestOneInput)
public func fuzzEngine(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  guard bytes.count >= 2 else { return 0 }
  let size = Int(bytes[1]) + 1
  let rest = Array(bytes.dropFirst(2))
  switch bytes[0] {
  case UInt8(ascii: "l"): checkLog(rest, by: size)
  case UInt8(ascii: "p"): checkPull(rest, by: size)
  default: break
  }
  return 0
}

private func pieces(_ bytes: [UInt8], by size: Int) -> [[UInt8]] {
  stride(from: 0, to: bytes.count, by: size).map { Array(bytes[$0..<min($0 + size, bytes.count)]) }
}

/// The frames of a container's log.
private func checkLog(_ bytes: [UInt8], by size: Int) {
  let whole = log([bytes])
  let parts = log(pieces(bytes, by: size))
  precondition(whole.isMalformed == parts.isMalformed, "pieces make frames of another form")
  // What stands before a fault is given only if it came before it.
  guard !whole.isMalformed else { return }
  precondition(whole.chunks == parts.chunks, "pieces make a difference")
  precondition(whole.chunks.reduce(0) { $0 + $1.bytes.count } <= bytes.count, "more than came")
  let again = log([whole.chunks.flatMap(\.frame)])
  precondition(!again.isMalformed && again.chunks == whole.chunks, "our own frames differ")
}

/// What was written, neighbours of a stream joined.
private func log(_ pieces: [[UInt8]]) -> (chunks: [LogChunk], isMalformed: Bool) {
  var frames = LogFrames(isFramed: true)
  var chunks: [LogChunk] = []
  for piece in pieces {
    guard let more = try? frames.receive(piece) else { return (chunks, true) }
    for chunk in more {
      if let last = chunks.last, last.stream == chunk.stream {
        chunks[chunks.count - 1].bytes += chunk.bytes
      } else {
        chunks.append(chunk)
      }
    }
  }
  return (chunks, false)
}

/// What the engine tells while it fetches an image.
private func checkPull(_ bytes: [UInt8], by size: Int) {
  let whole = pull([bytes])
  let parts = pull(pieces(bytes, by: size))
  precondition((whole == nil) == (parts == nil), "pieces make lines of another form")
  guard let whole, let parts else { return }
  precondition(whole.progress == parts.progress, "pieces make a difference")
  precondition(whole.failure == parts.failure, "pieces make another failure")
  let progress = whole.progress
  precondition((0...progress.layers).contains(progress.doneLayers), "more done than there are")
  precondition(progress.layers <= PullStream.layerLimit, "too many layers")
  precondition(progress.bytes >= 0 && progress.totalBytes >= 0, "less than nothing")
  precondition(!progress.description.isEmpty, "nothing is told")
}

private func pull(_ pieces: [[UInt8]]) -> PullStream? {
  var stream = PullStream()
  do {
    for piece in pieces { try stream.receive(piece) }
    try stream.end()
  } catch {
    return nil
  }
  return stream
}
