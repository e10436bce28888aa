import JSONTree

/// Which system calls modules of crun are refused: those that no module needs, and whose faults have
/// let processes out of containers before.
enum SystemCallFilter {
  /// Calls, by the capability that allows them; without one nobody has them.
  private static let refused: [(capability: String?, calls: [String])] = [
    (
      nil,
      [
        "add_key", "keyctl", "request_key", "io_uring_setup", "io_uring_enter", "io_uring_register",
        "userfaultfd", "uselib", "vm86", "vm86old", "nfsservctl", "lookup_dcookie", "_sysctl",
        "sysfs", "ustat", "get_kernel_syms", "query_module",
      ]
    ),
    (
      "SYS_ADMIN",
      [
        "mount", "umount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fsconfig",
        "fsmount", "fspick", "mount_setattr", "setns", "unshare", "swapon", "swapoff", "quotactl",
        "quotactl_fd", "fanotify_init", "setdomainname", "sethostname",
      ]
    ),
    ("SYS_MODULE", ["init_module", "finit_module", "delete_module", "create_module"]),
    ("SYS_BOOT", ["reboot", "kexec_load", "kexec_file_load"]),
    ("SYS_TIME", ["settimeofday", "stime", "clock_settime", "clock_settime64", "clock_adjtime"]),
    ("SYS_RAWIO", ["iopl", "ioperm"]),
    ("SYS_PACCT", ["acct"]),
    ("SYSLOG", ["syslog"]),
    ("BPF", ["bpf"]),
    ("PERFMON", ["perf_event_open"]),
    ("DAC_READ_SEARCH", ["open_by_handle_at"]),
  ]

  /// Architectures whose calls a processor knows beside its own.
  private static let architectures = [
    "amd64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "arm64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
    "arm": ["SCMP_ARCH_ARM"], "386": ["SCMP_ARCH_X86"],
  ]

  /// The filter for modules with those capabilities.
  static func filter(keeping capabilities: Set<String>, architecture: String) -> JSONValue {
    let calls = refused.filter { !($0.capability.map(capabilities.contains) ?? false) }
      .flatMap(\.calls)
    var rules: [JSONValue] = [
      [
        "names": .array(calls.map { .string($0) }), "action": "SCMP_ACT_ERRNO",
        // EPERM
        "errnoRet": 1,
      ]
    ]
    if !capabilities.contains("SYS_ADMIN") {
      // CLONE_NEWUSER, with which everything of SYS_ADMIN comes back; clone3 hides its flags, and
      // programs do without it (ENOSYS).
      rules.append([
        "names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
        "args": [
          [
            "index": 0, "value": 0x1000_0000, "valueTwo": 0x1000_0000, "op": "SCMP_CMP_MASKED_EQ",
          ]
        ],
      ])
      rules.append(["names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38])
    }
    var filter: JSONObject = ["defaultAction": "SCMP_ACT_ALLOW", "syscalls": .array(rules)]
    if let names = architectures[architecture] {
      filter["architectures"] = .array(names.map { .string($0) })
    }
    return .object(filter)
  }
}
