import ByteIO
package import Containers
import Glibc
import Platform

/// What the whole machine uses, as the kernel tells in text.
package struct HostUsage: Equatable, Sendable {
  /// A disk with its file system.
  package struct Disk: Equatable, Sendable {
    package var name: String
    package var fileSystem: String
    /// `SSD`, `HDD` or `Unknown`.
    package var kind = "Unknown"
    package var freeBytes: UInt64 = 0
    package var totalBytes: UInt64 = 0
    let mountPoint: String
  }

  package var totalMemoryBytes: Int64 = 0
  package var availableMemoryBytes: Int64 = 0
  /// The rest, counted as for a module.
  package var usage = ModuleUsage()
  package var disks: [Disk] = []

  /// Disks that are looked at.
  private static let diskLimit = 64

  /// The machine as it is now.
  package static func read() -> HostUsage {
    func text(_ path: String) -> String {
      String(decoding: (try? PrivateFile.read(path)) ?? [], as: UTF8.self)
    }
    var usage = HostUsage(
      memory: text("/proc/meminfo"),
      processors: text("/proc/stat"),
      ticksPerSecond: Int64(sysconf(Int32(_SC_CLK_TCK))),
      network: text("/proc/net/dev"),
      disks: text("/proc/diskstats"),
      mounts: text("/proc/self/mounts")
    )
    let entries = (try? PrivateFile.entries(of: "/proc")) ?? []
    usage.usage.processCount = Int64(entries.count { $0.name.utf8.allSatisfy(\.isDigit) })
    for index in usage.disks.indices {
      var facts = statvfs()
      guard statvfs(usage.disks[index].mountPoint, &facts) == 0 else { continue }
      let unit = UInt64(facts.f_frsize)
      usage.disks[index].freeBytes = UInt64(facts.f_bavail) &* unit
      usage.disks[index].totalBytes = UInt64(facts.f_blocks) &* unit
      // A partition's directory is within its disk's.
      let block = "/sys/class/block/\(usage.disks[index].name)"
      let rotates = [block + "/queue/rotational", block + "/../queue/rotational"].lazy
        .map(text).first { !$0.isEmpty }
      if let rotates { usage.disks[index].kind = rotates.hasPrefix("0") ? "SSD" : "HDD" }
    }
    return usage
  }

  /// Seconds since the machine's start.
  package static func uptime() -> Double {
    let text = (try? PrivateFile.read("/proc/uptime")).map { String(decoding: $0, as: UTF8.self) }
    return text?.split(separator: " ").first.flatMap { Double($0) } ?? 0
  }

  /// Reads the kernel's texts: proc(5).
  package init(
    memory: String = "",
    processors: String = "",
    ticksPerSecond: Int64 = 100,
    network: String = "",
    disks: String = "",
    mounts: String = ""
  ) {
    func kibibytes(_ name: String) -> Int64 {
      let line = Self.rows(memory).first { $0.first == name + ":" }
      let number = line.flatMap { $0.count > 1 ? Int64($0[1]) : nil } ?? 0
      return number.multipliedReportingOverflow(by: 1_024).partialValue
    }
    totalMemoryBytes = kibibytes("MemTotal")
    availableMemoryBytes = kibibytes("MemAvailable")
    usage.memoryBytes = totalMemoryBytes - availableMemoryBytes
    usage.memoryLimitBytes = totalMemoryBytes
    if let all = Self.rows(processors).first(where: { $0.first == "cpu" }), all.count > 5 {
      // All but idle and waiting for disks; what guests use is counted as user time too.
      let busy = [1, 2, 3, 6, 7, 8].reduce(Int64(0)) { sum, column in
        sum &+ (column < all.count ? Int64(all[column]) ?? 0 : 0)
      }
      usage.processorNanoseconds =
        busy.multipliedReportingOverflow(by: 1_000_000_000 / max(1, ticksPerSecond)).partialValue
    }
    let links = Self.rows(network.replacing(":", with: " ")).filter { $0.count > 9 }
      .filter { $0[0] != "lo" && Int64($0[1]) != nil }
    usage.networkInBytes = links.reduce(0) { $0 &+ (Int64($1[1]) ?? 0) }
    usage.networkOutBytes = links.reduce(0) { $0 &+ (Int64($1[9]) ?? 0) }
    // Partitions would count twice: those of a disk follow it, and begin with its name.
    var whole = ""
    var sectors: (read: Int64, written: Int64) = (0, 0)
    for row in Self.rows(disks) where row.count > 9 {
      guard whole.isEmpty || !row[2].hasPrefix(whole) else { continue }
      whole = row[2]
      sectors.read &+= Int64(row[5]) ?? 0
      sectors.written &+= Int64(row[9]) ?? 0
    }
    usage.diskReadBytes = sectors.read &* 512
    usage.diskWriteBytes = sectors.written &* 512
    self.disks = Self.mounted(mounts)
  }

  private static func mounted(_ text: String) -> [Disk] {
    var seen: Set<String> = []
    return rows(text).compactMap { row -> Disk? in
      guard row.count > 2, row[0].hasPrefix("/dev/"), !row[0].hasPrefix("/dev/loop"),
        let name = row[0].split(separator: "/").last, seen.count < diskLimit,
        seen.insert(row[0]).inserted
      else { return nil }
      // A blank in a path is written \040.
      let point = row[1].replacing("\\040", with: " ")
      return Disk(name: String(name), fileSystem: row[2], mountPoint: point)
    }
  }

  private static func rows(_ text: String) -> [[String]] {
    text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
  }
}

extension UInt8 {
  fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
}
