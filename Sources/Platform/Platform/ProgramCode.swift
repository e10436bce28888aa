import Glibc

/// The machine code of the program and its libraries, as it is mapped into this process.
package enum ProgramCode {
  /// Takes all code out of the resident set; what runs next comes back from the page cache.
  ///
  /// Starting runs through most of the program once (conformance look-ups, settings, certificates,
  /// migrations), and the kernel maps sixteen pages around each that is touched. Without this they
  /// stay resident until memory is short. Coming back costs a minor fault for sixteen pages.
  ///
  /// Touches mappings that are executable and not writable: they hold nothing but what the file
  /// holds, so that nothing is lost.
  package static func release() {
    guard let file = fopen("/proc/self/maps", "re") else { return }
    defer { fclose(file) }
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      if count == 0 { break }
      text += chunk[..<count]
    }
    for range in codeRanges(ofMaps: text) {
      guard let start = UnsafeMutableRawPointer(bitPattern: range.lowerBound) else { continue }
      _ = madvise(start, range.count, MADV_DONTNEED)
    }
  }

  /// The addresses of the mapped code of files in a text such as that of `/proc/self/maps`
  /// (proc_pid_maps(5)).
  package static func codeRanges(ofMaps text: [UInt8]) -> [Range<UInt>] {
    text.split(separator: UInt8(ascii: "\n")).compactMap { line in
      // address-address perms offset device inode path
      let fields = line.split(separator: UInt8(ascii: " "))
      guard fields.count >= 6, fields[1].elementsEqual("r-xp".utf8),
        fields[5].first == UInt8(ascii: "/")
      else { return nil }
      let ends = fields[0].split(separator: UInt8(ascii: "-"))
        .compactMap { UInt(String(decoding: $0, as: UTF8.self), radix: 16) }
      guard ends.count == 2, ends[0] < ends[1] else { return nil }
      return ends[0]..<ends[1]
    }
  }
}
