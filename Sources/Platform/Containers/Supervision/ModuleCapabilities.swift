/// Capabilities of modules that are processes of root, as create options name them.
enum ModuleCapabilities {
  /// Names in the kernel's order (capabilities(7)).
  private static let names = [
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
    "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
    "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
  ]
  /// What container engines leave to root, but for device files, which could be any disk.
  private static let standard: Set<String> = [
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "AUDIT_WRITE", "SETFCAP",
  ]

  /// The bits of what a module keeps.
  ///
  /// - Throws: `RuntimeFault` for a name that is none.
  static func kept(
    adding: [String],
    dropping: [String]
  ) throws(RuntimeFault) -> UInt64 {
    let added = try read(adding, "CapAdd")
    let dropped = try read(dropping, "CapDrop")
    return names.enumerated().reduce(into: UInt64(0)) { bits, entry in
      let (number, name) = entry
      let isKept =
        added.contains(name)
        || !dropped.contains(name) && (added.contains("ALL") || standard.contains(name))
          && !dropped.contains("ALL")
      if isKept { bits |= 1 << UInt64(number) }
    }
  }

  /// The names of capabilities, from their bits.
  static func named(_ bits: UInt64) -> [String] {
    names.enumerated().filter { bits >> UInt64($0.offset) & 1 == 1 }.map(\.element)
  }

  private static func read(_ words: [String], _ key: String) throws(RuntimeFault) -> Set<String> {
    var found: Set<String> = []
    for word in words {
      let upper = word.uppercased()
      let name = upper.hasPrefix("CAP_") ? String(upper.dropFirst(4)) : upper
      guard name == "ALL" || names.contains(name) else {
        throw RuntimeFault(.refused, "HostConfig.\(key) has \"\(word)\", which is no capability.")
      }
      found.insert(name)
    }
    return found
  }
}
