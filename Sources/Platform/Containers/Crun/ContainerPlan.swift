import Glibc
package import JSONTree

/// How a module is run by crun: what its container's body and its image ask for, as a configuration of
/// the OCI runtime specification 1.0.
///
/// What is asked for and cannot be done is refused; nothing is left out in silence but what has no
/// meaning here.
package struct ContainerPlan {
  /// Where containers are run.
  package struct Surroundings {
    /// The module's folder, where `rootfs`, `hosts` and `resolv.conf` are.
    package var folder: String
    /// Where named volumes are.
    package var volumes: String
    /// The network that modules join with engines, and here the machine's.
    package var networkID: String
    /// The runtime's own user and group.
    package var userID, groupID: UInt32
    /// The image's `/etc/passwd` and `/etc/group`.
    package var users, groups: String
    /// The machine's `/etc/hosts` and `/etc/resolv.conf`.
    package var hosts, resolver: String
    /// The processor's name, as registries have it.
    package var architecture: String
    /// Bits of the capabilities that can be given on.
    package var capabilities: UInt64 = .max

    package init(
      folder: String,
      volumes: String,
      networkID: String,
      userID: UInt32,
      groupID: UInt32,
      users: String = "",
      groups: String = "",
      hosts: String = "",
      resolver: String = "",
      architecture: String
    ) {
      (self.folder, self.volumes, self.networkID) = (folder, volumes, networkID)
      (self.userID, self.groupID, self.users, self.groups) = (userID, groupID, users, groups)
      (self.hosts, self.resolver, self.architecture) = (hosts, resolver, architecture)
    }

    var isRoot: Bool { userID == 0 }
  }

  private typealias Options = CreateOptionReader

  /// The configuration.
  package private(set) var specification: JSONObject = [:]
  /// Folders of the machine that have to be there; missing ones are made, as engines do.
  package private(set) var folders: [String] = []
  /// The container's `/etc/hosts` and `/etc/resolv.conf`.
  package private(set) var hosts = ""
  package private(set) var resolver = ""
  let stopSignal: Int32
  let log: LogLimits
  package let memoryBytes: Int64?
  package let nanoProcessors: Int64?
  package let processLimit: Int64?

  private let body: JSONObject
  private let host: JSONObject
  private let surroundings: Surroundings
  private let isPrivileged: Bool
  private let capabilities: [String]

  /// Members that are read, and those that have no meaning with crun, or with an agent.
  private static let known: Set<String> = [
    "Entrypoint", "Cmd", "Env", "WorkingDir", "User", "StopSignal", "HostConfig", "Hostname",
    "NetworkingConfig", "Image", "ImageHash", "Labels", "Domainname", "ExposedPorts", "Volumes",
    "AttachStdin", "AttachStdout", "AttachStderr", "OpenStdin", "StdinOnce", "Tty", "ArgsEscaped",
    "StopTimeout", "OnBuild", "Shell",
  ]
  /// See `known`.
  private static let knownOfHost: Set<String> = [
    "Binds", "Mounts", "Tmpfs", "Memory", "NanoCpus", "PidsLimit", "Privileged", "CapAdd",
    "CapDrop",
    "ReadonlyRootfs", "NetworkMode", "ExtraHosts", "PortBindings", "Ulimits", "ShmSize", "Devices",
    "LogConfig", "SecurityOpt", "PidMode", "IpcMode", "Dns", "DnsSearch", "DnsOptions",
    "RestartPolicy", "AutoRemove", "PublishAllPorts", "ConsoleSize", "ContainerIDFile",
  ]

  /// Makes a plan.
  ///
  /// - Parameters:
  ///   - body: what the agent makes the module of.
  ///   - image: the member `config` of the image's configuration.
  ///   - surroundings: where it is run.
  /// - Throws: `RuntimeFault` for what cannot be done.
  package init(
    _ body: JSONObject,
    image: JSONObject,
    _ surroundings: Surroundings
  ) throws(RuntimeFault) {
    self.body = body
    self.surroundings = surroundings
    host = body["HostConfig"]?.objectValue ?? [:]
    try Self.refuseOthers(body, known: Self.known, "")
    try Self.refuseOthers(host, known: Self.knownOfHost, "HostConfig.")
    let ownSignal = body["StopSignal"]?.stringValue ?? ""
    let imageSignal = image["StopSignal"]?.stringValue
    stopSignal = try Options.signal(ownSignal.isEmpty ? imageSignal : ownSignal)
    log = LogLimits(host["LogConfig"]?["Config"]?.objectValue ?? [:])
    memoryBytes = try Options.amount(host, "Memory")
    nanoProcessors = try Options.amount(host, "NanoCpus")
    processLimit = try Options.amount(host, "PidsLimit")
    isPrivileged = host["Privileged"]?.boolValue ?? false
    let added = try Options.words(host, "CapAdd")
    let kept = try ModuleCapabilities.kept(
      adding: added + (isPrivileged ? ["ALL"] : []),
      dropping: isPrivileged ? [] : Options.words(host, "CapDrop")
    )
    capabilities = ModuleCapabilities.named(kept & surroundings.capabilities)
    try checkNetwork()
    let process = try process(image)
    let mounts = try mounts()
    specification = [
      "ociVersion": "1.0.0",
      "process": .object(process),
      "root": [
        "path": "rootfs", "readonly": .bool(host["ReadonlyRootfs"]?.boolValue ?? false),
      ],
      "mounts": .array(mounts),
      "linux": .object(try kernel()),
    ]
    if let name = ownHostName { specification["hostname"] = .string(name) }
    try addNames()
  }

  private static func refuseOthers(
    _ object: JSONObject,
    known: Set<String>,
    _ prefix: String
  ) throws(RuntimeFault) {
    for (key, value) in object where !known.contains(key) {
      let isEmpty =
        value.isNull || value.boolValue == false || value.int64Value == 0 || value.stringValue == ""
        || value.arrayValue?.isEmpty == true || value.objectValue?.isEmpty == true
      guard isEmpty else {
        throw Options.refused(prefix + key, "is not to be had from crun; leave it out")
      }
    }
  }

  // MARK: Network

  private var hasOwnNetwork: Bool { host["NetworkMode"]?.stringValue == "none" }

  private var ownHostName: String? {
    let name = body["Hostname"]?.stringValue ?? ""
    return name.isEmpty ? nil : name
  }

  private func checkNetwork() throws(RuntimeFault) {
    let mode = host["NetworkMode"]?.stringValue ?? ""
    let modes = ["", "default", "bridge", "host", "none", surroundings.networkID]
    guard modes.contains(mode) else {
      throw Options.refused(
        "HostConfig.NetworkMode",
        "is \"\(mode)\"; with crun it can be \"host\", which modules have anyway, or \"none\""
      )
    }
    let networks = body["NetworkingConfig"]?["EndpointsConfig"]?.objectValue?.keys ?? []
    for network in networks where network != surroundings.networkID && !modes.contains(network) {
      throw Options.refused("NetworkingConfig", "names the network \(network), and crun has none")
    }
    for (port, bindings) in host["PortBindings"]?.objectValue ?? [:] {
      let own = port.prefix { $0 != "/" }
      for binding in bindings.arrayValue ?? [] {
        let wanted = binding["HostPort"]?.stringValue ?? ""
        let address = binding["HostIp"]?.stringValue ?? ""
        guard !hasOwnNetwork else {
          throw Options.refused("HostConfig.PortBindings", "needs a NetworkMode that is not none")
        }
        guard wanted.isEmpty || wanted == own, ["", "0.0.0.0", "::"].contains(address) else {
          throw Options.refused(
            "HostConfig.PortBindings",
            "asks for \(port) at \(address.isEmpty ? "" : address + ":")\(wanted); with crun modules "
              + "have the machine's network, so let the module listen there itself"
          )
        }
      }
    }
  }

  /// `/etc/hosts` and `/etc/resolv.conf`.
  private mutating func addNames() throws(RuntimeFault) {
    hosts = hasOwnNetwork ? "127.0.0.1 localhost\n" : surroundings.hosts
    for entry in try Options.words(host, "ExtraHosts") {
      guard let colon = entry.firstIndex(of: ":"), colon > entry.startIndex,
        !entry.contains(where: { $0.isWhitespace })
      else { throw Options.refused("HostConfig.ExtraHosts", "must be like name:address") }
      let address = entry[entry.index(after: colon)...]
      // The machine, whose network this is.
      let found = address == "host-gateway" ? "127.0.0.1" : address
      hosts = "\(found) \(entry[..<colon])\n" + hosts
    }
    let servers = try Options.words(host, "Dns")
    let rest =
      try Options.words(host, "DnsSearch").map { "search \($0)" }
      + Options.words(host, "DnsOptions").map { "options \($0)" }
    guard !servers.isEmpty || !rest.isEmpty else {
      resolver = surroundings.resolver
      return
    }
    let lines = servers.map { "nameserver \($0)" } + rest
    resolver = lines.joined(separator: "\n") + "\n"
    if servers.isEmpty { resolver += surroundings.resolver }
  }

  // MARK: Process

  private func process(_ image: JSONObject) throws(RuntimeFault) -> JSONObject {
    let ownEntry = try Options.words(body, "Entrypoint").filter { !$0.isEmpty }
    let ownCommand = try Options.words(body, "Cmd")
    let entry = ownEntry.isEmpty ? try Options.words(image, "Entrypoint") : ownEntry
    // Another entry point has nothing to do with the image's command.
    let command =
      ownCommand.isEmpty && ownEntry.isEmpty ? try Options.words(image, "Cmd") : ownCommand
    let words = entry + command
    guard !words.isEmpty else {
      throw Options.refused("Cmd", "is missing, and the image has neither Entrypoint nor Cmd")
    }
    let user = try user(image)
    let ownDirectory = body["WorkingDir"]?.stringValue ?? ""
    let directory = ownDirectory.isEmpty ? image["WorkingDir"]?.stringValue ?? "" : ownDirectory
    let limits = try Options.limits(host).map { limit in
      [
        "type": .string("RLIMIT_" + limit.name.uppercased()),
        "soft": Self.number(limit.soft), "hard": Self.number(limit.hard),
      ] as JSONValue
    }
    let named = JSONValue.array(capabilities.map { .string("CAP_" + $0) })
    // Who is not root has none but what a file may give.
    let own = user.number == 0 ? named : []
    return [
      "terminal": false,
      "user": [
        "uid": .int(Int64(user.number)), "gid": .int(Int64(user.group)),
        "additionalGids": .array(user.groups.map { .int(Int64($0)) }),
      ],
      "args": .array(words.map { .string($0) }),
      "env": .array(try environment(image, home: user.home).map { .string($0) }),
      "cwd": .string(directory.hasPrefix("/") ? directory : "/" + directory),
      "capabilities": ["bounding": named, "effective": own, "permitted": own],
      "rlimits": .array(limits),
      "noNewPrivileges": .bool(try security().noNewPrivileges),
    ]
  }

  private static func number(_ value: UInt64) -> JSONValue {
    JSONNumber(text: String(value)).map { .number($0) } ?? .int(.max)
  }

  private func environment(
    _ image: JSONObject,
    home: String
  ) throws(RuntimeFault) -> [String] {
    let own = try Options.words(body, "Env")
    var found: [String] = []
    var names: Set<Substring> = []
    let standard = [
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=\(home)",
    ]
    // The first of a name counts; a name alone takes the image's variable away.
    for variable in own + (try Options.words(image, "Env")) + standard
    where names.insert(variable.prefix { $0 != "=" }).inserted && variable.contains("=") {
      found.append(variable)
    }
    return found
  }

  private func user(
    _ image: JSONObject
  ) throws(RuntimeFault) -> (number: UInt32, group: UInt32, groups: [UInt32], home: String) {
    let own = body["User"]?.stringValue ?? ""
    let text = own.isEmpty ? image["User"]?.stringValue ?? "" : own
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    let name = parts.first ?? "0"
    let users = Self.table(surroundings.users)
    let groups = Self.table(surroundings.groups)
    let entry = users.first { $0[0] == name || $0.count > 2 && $0[2] == name }
    guard let number = UInt32(name) ?? entry.flatMap({ $0.count > 2 ? UInt32($0[2]) : nil }) else {
      throw Options.refused("User", "is \"\(name)\", whom the image's /etc/passwd does not know")
    }
    var group = entry.flatMap { $0.count > 3 ? UInt32($0[3]) : nil } ?? 0
    if parts.count == 2 {
      let found = groups.first { $0[0] == parts[1] }.flatMap { $0.count > 2 ? UInt32($0[2]) : nil }
      guard let found = UInt32(parts[1]) ?? found else {
        throw Options.refused(
          "User",
          "has the group \"\(parts[1])\", which the image does not know"
        )
      }
      group = found
    }
    guard surroundings.isRoot || number == 0 && group == 0 else {
      throw Options.refused("User", "is \"\(text)\", and without root crun has one user, number 0")
    }
    // A group that is named is the only one, as with engines.
    let more = groups.filter { line in
      parts.count < 2 && line.count > 3 && entry != nil
        && line[3].split(separator: ",").contains { $0 == entry?[0] ?? "" }
    }
    return (
      number, group, surroundings.isRoot ? more.compactMap { UInt32($0[2]) } : [],
      entry.flatMap { $0.count > 5 && !$0[5].isEmpty ? $0[5] : nil } ?? "/"
    )
  }

  /// Lines of fields, each with at least one.
  private static func table(_ text: String) -> [[String]] {
    text.split(separator: "\n")
      .map { $0.split(separator: ":", omittingEmptySubsequences: false).map(String.init) }
  }

  private func security() throws(RuntimeFault) -> (noNewPrivileges: Bool, isFiltered: Bool) {
    var (noNewPrivileges, isFiltered) = (false, !isPrivileged)
    for option in try Options.words(host, "SecurityOpt") {
      switch option {
      case "no-new-privileges", "no-new-privileges:true", "no-new-privileges=true":
        noNewPrivileges = true
      case "no-new-privileges:false", "no-new-privileges=false": noNewPrivileges = false
      case "seccomp=unconfined", "seccomp:unconfined": isFiltered = false
      case "apparmor=unconfined", "apparmor:unconfined", "label=disable", "label:disable": break
      default: throw Options.refused("HostConfig.SecurityOpt", "has \"\(option)\"")
      }
    }
    return (noNewPrivileges, isFiltered)
  }

  // MARK: Mounts

  private static func mount(
    _ target: String,
    _ type: String,
    _ source: String,
    _ options: [String]
  ) -> JSONValue {
    [
      "destination": .string(target), "type": .string(type), "source": .string(source),
      "options": .array(options.map { .string($0) }),
    ]
  }

  private mutating func mounts() throws(RuntimeFault) -> [JSONValue] {
    let closed = ["nosuid", "noexec", "nodev"]
    let shared = try Options.amount(host, "ShmSize") ?? 64 << 20
    var mounts = [
      Self.mount("/proc", "proc", "proc", closed),
      isPrivileged
        ? Self.mount("/dev", "none", "/dev", ["rbind", "rslave"])
        : Self.mount("/dev", "tmpfs", "tmpfs", ["nosuid", "mode=755", "size=65536k"]),
    ]
    if !isPrivileged {
      let terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
      mounts += [
        Self.mount(
          "/dev/pts",
          "devpts",
          "devpts",
          terminals + (surroundings.isRoot ? ["gid=5"] : [])
        ),
        Self.mount("/dev/mqueue", "mqueue", "mqueue", closed),
        isShared("IpcMode")
          ? Self.mount("/dev/shm", "none", "/dev/shm", ["rbind", "rprivate"])
          : Self.mount("/dev/shm", "tmpfs", "shm", closed + ["mode=1777", "size=\(shared)"]),
      ]
    }
    // The kernel mounts a new one only for who owns the network too.
    let writable = isPrivileged ? "rw" : "ro"
    mounts.append(
      surroundings.isRoot
        ? Self.mount("/sys", "sysfs", "sysfs", closed + [writable])
        : Self.mount("/sys", "none", "/sys", ["rbind", "rslave", writable] + closed)
    )
    for name in ["hosts", "resolv.conf"] {
      mounts.append(
        Self.mount("/etc/" + name, "none", "\(surroundings.folder)/\(name)", ["bind", "rprivate"])
      )
    }
    for bind in try Options.words(host, "Binds") { mounts.append(try self.bind(bind)) }
    for (target, options) in host["Tmpfs"]?.objectValue ?? [:] {
      let words = (options.stringValue ?? "").split(separator: ",").map(String.init)
      mounts.append(Self.mount(try path(target, "Tmpfs"), "tmpfs", "tmpfs", closed + words))
    }
    for entry in host["Mounts"]?.arrayValue ?? [] { mounts.append(try mount(entry)) }
    for device in host["Devices"]?.arrayValue ?? [] {
      let source = try path(device["PathOnHost"]?.stringValue ?? "", "Devices")
      let target = device["PathInContainer"]?.stringValue ?? ""
      let isWritable = device["CgroupPermissions"]?.stringValue?.contains("w") ?? true
      mounts.append(
        Self.mount(
          try path(target.isEmpty ? source : target, "Devices"),
          "none",
          source,
          ["bind", "dev", "rprivate", isWritable ? "rw" : "ro"]
        )
      )
    }
    return mounts
  }

  /// `source:target[:options]`, whose source is a path of the machine, or a volume's name.
  private mutating func bind(_ text: String) throws(RuntimeFault) -> JSONValue {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2 || parts.count == 3, !parts[0].isEmpty else {
      throw Options.refused("HostConfig.Binds", "must be like /path:/path[:ro], not \(text)")
    }
    var options = ["rbind"]
    var propagation = "rprivate"
    for option in parts.count == 3 ? parts[2].split(separator: ",").map(String.init) : [] {
      switch option {
      case "ro": options.append("ro")
      // Labels are for SELinux, and a volume is never filled from the image.
      case "rw", "z", "Z", "nocopy", "consistent", "cached", "delegated": break
      case "rprivate", "private", "rslave", "slave", "rshared", "shared": propagation = option
      default: throw Options.refused("HostConfig.Binds", "has the option \"\(option)\"")
      }
    }
    let source = try source(parts[0], "Binds")
    folders.append(source)
    let target = try path(parts[1], "Binds")
    return Self.mount(target, "none", source, options + [propagation])
  }

  private mutating func mount(_ entry: JSONValue) throws(RuntimeFault) -> JSONValue {
    let target = try path(entry["Target"]?.stringValue ?? "", "Mounts")
    let isReadOnly = entry["ReadOnly"]?.boolValue ?? false
    switch entry["Type"]?.stringValue ?? "" {
    case "bind":
      let source = try path(entry["Source"]?.stringValue ?? "", "Mounts")
      let propagation = entry["BindOptions"]?["Propagation"]?.stringValue ?? ""
      return Self.mount(
        target,
        "none",
        source,
        ["rbind", propagation.isEmpty ? "rprivate" : propagation] + (isReadOnly ? ["ro"] : [])
      )
    case "volume":
      let name = entry["Source"]?.stringValue ?? ""
      guard !name.isEmpty else { throw Options.refused("HostConfig.Mounts", "has no Source") }
      let source = try source(name, "Mounts")
      folders.append(source)
      return Self.mount(target, "none", source, ["rbind", "rprivate"] + (isReadOnly ? ["ro"] : []))
    case "tmpfs":
      var options = ["nosuid", "noexec", "nodev"] + (isReadOnly ? ["ro"] : [])
      if let size = entry["TmpfsOptions"]?["SizeBytes"]?.int64Value, size > 0 {
        options.append("size=\(size)")
      }
      if let mode = entry["TmpfsOptions"]?["Mode"]?.int64Value, mode > 0 {
        options.append("mode=" + String(mode, radix: 8))
      }
      return Self.mount(target, "tmpfs", "tmpfs", options)
    case let other:
      throw Options.refused("HostConfig.Mounts", "has the type \"\(other)\"")
    }
  }

  private func path(_ text: String, _ key: String) throws(RuntimeFault) -> String {
    guard text.hasPrefix("/"), !text.utf8.contains(0) else {
      throw Options.refused("HostConfig.\(key)", "has \"\(text)\", which is no whole path")
    }
    return text
  }

  /// A path of the machine, or the folder of a named volume.
  private func source(_ text: String, _ key: String) throws(RuntimeFault) -> String {
    if text.hasPrefix("/") { return try path(text, key) }
    let isName = text.utf8.enumerated().allSatisfy { index, byte in
      (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
        || index > 0 && [0x5F, 0x2E, 0x2D].contains(byte)
    }
    guard isName, text.utf8.count <= 128 else {
      throw Options.refused("HostConfig.\(key)", "has \"\(text)\": no path, and no volume's name")
    }
    return surroundings.volumes + "/" + text
  }

  // MARK: Kernel

  private func isShared(_ key: String) -> Bool { host[key]?.stringValue == "host" }

  private func kernel() throws(RuntimeFault) -> JSONObject {
    for (key, modes) in [
      ("PidMode", ["", "host"]), ("IpcMode", ["", "host", "private", "shareable", "none"]),
    ] {
      let mode = host[key]?.stringValue ?? ""
      guard modes.contains(mode) else {
        throw Options.refused("HostConfig.\(key)", "is \"\(mode)\"")
      }
    }
    var spaces = ["mount"]
    if !isShared("PidMode") { spaces.append("pid") }
    if !isShared("IpcMode") { spaces.append("ipc") }
    if ownHostName != nil { spaces.append("uts") }
    if hasOwnNetwork { spaces.append("network") }
    var kernel: JSONObject = [:]
    if !surroundings.isRoot {
      spaces.append("user")
      for (key, number) in [
        ("uidMappings", surroundings.userID), ("gidMappings", surroundings.groupID),
      ] {
        kernel[key] = [["containerID": 0, "hostID": .int(Int64(number)), "size": 1]]
      }
    }
    kernel["namespaces"] = .array(spaces.map { ["type": .string($0)] })
    guard !isPrivileged else { return kernel }
    kernel["maskedPaths"] = .array(
      [
        "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
      ].map { .string($0) }
        // The machine's own is mounted then, in which its user may write.
        + (surroundings.isRoot ? [] : [.string("/sys/fs/cgroup")])
    )
    kernel["readonlyPaths"] = .array(
      ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"].map { .string($0) }
    )
    if try security().isFiltered {
      kernel["seccomp"] = SystemCallFilter.filter(
        keeping: Set(capabilities),
        architecture: surroundings.architecture
      )
    }
    return kernel
  }
}
