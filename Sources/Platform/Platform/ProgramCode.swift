import Glibc

/// What the kernel keeps of the program's files: code and constants, which it can read again.
package enum ProgramCode {
  /// Takes them out of the resident set; what runs next comes back from the page cache.
  ///
  /// Starting runs through most of the program once (conformance look-ups, settings, certificates,
  /// migrations), and the kernel maps sixteen pages around each that is touched. Without this they
  /// stay resident until memory is short. Coming back costs a minor fault for sixteen pages.
  ///
  /// Touches mappings of files that cannot be written and hold nothing but what the file holds, so
  /// that nothing is lost.
  package static func release() {
    guard let file = fopen("/proc/self/smaps", "re") else { return }
    defer { fclose(file) }
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      if count == 0 { break }
      text += chunk[..<count]
    }
    for range in unchangedRanges(ofMaps: text) {
      guard let start = UnsafeMutableRawPointer(bitPattern: range.lowerBound) else { continue }
      _ = madvise(start, range.count, MADV_DONTNEED)
    }
  }

  /// The addresses of the unchanged code and constants of files in a text such as that of
  /// `/proc/self/smaps` (proc_pid_smaps(5)).
  package static func unchangedRanges(ofMaps text: [UInt8]) -> [Range<UInt>] {
    var ranges: [Range<UInt>] = []
    var found: Range<UInt>?
    for line in text.split(separator: UInt8(ascii: "\n")) {
      let fields = line.split(separator: UInt8(ascii: " "))
      if fields.count >= 6 {
        found = range(fields)
      } else if fields.first?.elementsEqual("Anonymous:".utf8) == true {
        // Pages that the loader has relocated are the process's own.
        if let found, fields.count == 3, fields[1].elementsEqual("0".utf8) { ranges.append(found) }
        found = nil
      }
    }
    return ranges
  }

  /// The addresses of a line "address-address perms offset device inode path".
  private static func range(_ fields: [ArraySlice<UInt8>]) -> Range<UInt>? {
    let isFixed = fields[1].elementsEqual("r-xp".utf8) || fields[1].elementsEqual("r--p".utf8)
    guard isFixed, fields[5].first == UInt8(ascii: "/") else { return nil }
    let ends = fields[0].split(separator: UInt8(ascii: "-"))
      .compactMap { UInt(String(decoding: $0, as: UTF8.self), radix: 16) }
    guard ends.count == 2, ends[0] < ends[1] else { return nil }
    return ends[0]..<ends[1]
  }
}
