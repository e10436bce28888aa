import Containers

/// Any bytes as a layer of an image: a tar stream, in pieces of the size that the first byte says.
@c(LLVMFuzzerTestOneInput)
public func fuzzLayer(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  guard let size = bytes.first else { return 0 }
  let layer = bytes.dropFirst()
  let whole = read(layer, by: max(layer.count, 1), skipping: false)
  precondition(read(layer, by: Int(size) + 1, skipping: false) == whole, "pieces make a difference")
  let skipped = read(layer, by: 512, skipping: true)
  precondition(skipped.map(\.entry) == whole.map(\.entry), "what is not read makes a difference")
  for found in whole { check(found) }
  return 0
}

private struct Found: Equatable {
  let entry: TarReader.Entry
  var content: [UInt8] = []
}

/// The entries up to the end or the first fault, the last one perhaps without all of its content.
private func read(_ layer: ArraySlice<UInt8>, by size: Int, skipping: Bool) -> [Found] {
  var rest = layer
  var tar = TarReader {
    let piece = Array(rest.prefix(size))
    rest = rest.dropFirst(size)
    return piece
  }
  var found: [Found] = []
  do {
    while let entry = try tar.next() {
      found.append(Found(entry: entry))
      if skipping { continue }
      var content: [UInt8] = []
      defer { found[found.count - 1].content = content }
      try tar.read { content += $0 }
      precondition(content.count == Int(entry.size), "another size than was said")
    }
  } catch {}
  return found
}

/// Nothing leads out of the image.
private func check(_ found: Found) {
  let entry = found.entry
  precondition(entry.mode <= 0o7777 && entry.user < .max && entry.group < .max, "no such owner")
  precondition(Int64(found.content.count) <= entry.size, "more than was said")
  precondition(
    entry.path.allSatisfy { part in
      !["", ".", ".."].contains(part) && part.utf8.count <= 255
        && !part.utf8.contains { $0 == 0 || $0 == UInt8(ascii: "/") }
    },
    "a path that leads elsewhere"
  )
  precondition(!entry.target.utf8.contains(0), "a link with an end in it")
  switch entry.kind {
  case .file: break
  case .directory, .fifo: precondition(entry.size == 0, "content of what is no file")
  case .hardLink, .symbolicLink:
    precondition(entry.size == 0 && !entry.target.isEmpty, "a link to nothing")
    precondition(entry.target.utf8.count < TarReader.pathLimit, "a link that is too long")
  }
}
