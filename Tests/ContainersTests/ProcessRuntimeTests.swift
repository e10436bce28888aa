import Containers
import EdgeEngine
import Glibc
import HubContract
import JSONTree
import Platform
import Testing

@Suite("Modules that are processes (edge contract section 16, EXT 4)", .timeLimit(.minutes(2)))
struct ProcessRuntimeTests {
  /// The built program, which is shim and launcher; it lies beside the tests.
  static let program: String = {
    let arguments = CommandLine.arguments
    let bundle = arguments.firstIndex(of: "--test-bundle-path").map { arguments[$0 + 1] }
    let folder = (bundle ?? arguments[0]).split(separator: "/", omittingEmptySubsequences: false)
    // A bundle is the program itself, or a folder around it.
    for depth in 1...4 {
      let path = folder.dropLast(depth).joined(separator: "/") + "/orrery-edge"
      if access(path, X_OK) == 0 { return path }
    }
    return "/proc/self/exe"
  }()

  /// Runs `body` with a runtime in a folder of its own; everything is gone afterwards.
  private func withRuntime(
    _ body: (ProcessRuntime, _ folder: String) async throws -> Void
  ) async throws {
    let folder = "/tmp/modules-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    let runtime = try ProcessRuntime(
      root: folder + "/modules",
      program: Self.program,
      hidden: [folder + "/modules", folder + "/secret"]
    )
    func clean() async {
      for module in (try? await runtime.modules()) ?? [] { try? await runtime.remove(module.name) }
      PrivateFile.removeTree(folder)
    }
    do {
      try await body(runtime, folder)
    } catch {
      await clean()
      throw error
    }
    await clean()
  }

  /// A script as the program of a module.
  private func script(_ text: String, in folder: String, name: String = "run") throws -> String {
    let path = folder + "/" + name
    try PrivateFile.replace(path, with: Array("#!/bin/sh\n\(text)\n".utf8), mode: 0o755)
    return path
  }

  private func make(
    _ runtime: ProcessRuntime,
    _ image: String,
    options: String = "{}",
    environment: [String: String] = [:]
  ) async throws {
    let module = try Bodies.module(
      kind: "process",
      image: image,
      options: options,
      environment: environment
    )
    try await runtime.create("filter", Bodies.body(module))
  }

  private func state(_ runtime: ProcessRuntime) async throws -> ModuleObservation.State? {
    try await runtime.modules().first?.state
  }

  /// Whether a process runs; one that has ended may wait for its parent to hear of it.
  private func isAlive(_ pid: pid_t) -> Bool {
    guard let status = try? PrivateFile.read("/proc/\(pid)/stat") else { return false }
    let text = String(decoding: status, as: UTF8.self)
    return !text.drop { $0 != ")" }.hasPrefix(") Z")
  }

  private func awaitEnd(_ runtime: ProcessRuntime) async throws -> ModuleObservation? {
    for _ in 0..<500 {
      let module = try await runtime.modules().first
      if module?.state != .running { return module }
      try await Pause.sleep(for: .milliseconds(20))
    }
    return try await runtime.modules().first
  }

  private func text(
    _ runtime: ProcessRuntime,
    _ query: LogQuery = LogQuery()
  ) async throws -> String {
    var bytes: [UInt8] = []
    try await runtime.logs(of: "filter", query) { bytes += $0.bytes }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test(
    "a module begins in a session of its own, with its variables and words, and its end is told"
  )
  func run() async throws {
    try await withRuntime { runtime, folder in
      let program = try script(
        #"echo "$GREETING $IOTEDGE_MODULEID $1"; echo oops >&2; ps -o sid= -p $$ | tr -d " "; echo $$; "#
          + #"test -w "$TMPDIR" && exit 3"#,
        in: folder
      )
      try await make(
        runtime,
        program,
        options: #"{"Cmd":["a b"]}"#,
        environment: ["GREETING": "hello"]
      )
      #expect(try await state(runtime) == .created)
      try await runtime.start("filter")
      let module = try #require(try await awaitEnd(runtime))
      #expect(module.state == .exited(3))
      #expect(module.image == program)
      #expect(module.environment == ["GREETING": "hello"])
      let (start, end) = (try #require(module.lastStart), try #require(module.lastExit))
      #expect(end >= start)
      let lines = try await text(runtime).split(separator: "\n")
      #expect(lines.contains("hello filter a b"))
      #expect(lines.contains("oops"))
      let numbers = lines.compactMap { Int($0) }
      #expect(numbers.count == 2 && numbers.first == numbers.last)
    }
  }

  @Test(
    "a module reads what is not hidden, and writes to what is its own",
    .enabled(if: ProcessRuntime.isConfining)
  )
  func confined() async throws {
    try await withRuntime { runtime, folder in
      try PrivateFile.replace(folder + "/secret", with: Array("key".utf8), mode: 0o644)
      try PrivateFile.replace(folder + "/open", with: Array("text".utf8), mode: 0o644)
      try PrivateFile.makeDirectory(folder + "/given")
      let program = try script(
        """
        try() { name=$1; shift; if "$@" 2>/dev/null >/dev/null; then echo "$name yes"; \
        else echo "$name no"; fi; }
        try read-hidden cat \(folder)/secret
        try list-modules ls \(folder)/modules
        try read-open cat \(folder)/open
        try write-open sh -c 'echo x > \(folder)/open'
        try write-tmp sh -c 'echo x > /tmp/module-was-here-\(getpid())'
        try write-own sh -c 'echo x > "$TMPDIR/a" && mkdir b && echo x > b/c && rm -r b'
        try write-given sh -c 'echo x > \(folder)/given/a'
        try write-bound-hidden sh -c 'echo x > \(folder)/modules/filter/module.json'
        try null sh -c 'echo x > /dev/null'
        try signal kill -0 \(getpid())
        grep -q 0000000000000000 /proc/self/status; echo end
        """,
        in: folder
      )
      try await make(
        runtime,
        program,
        options: #"{"HostConfig":{"Binds":["\#(folder)/given:/given","\#(folder)/open:/open:ro","#
          + #""\#(folder)/modules:/modules"]}}"#
      )
      try await runtime.start("filter")
      _ = try await awaitEnd(runtime)
      let lines = try await text(runtime).split(separator: "\n").dropLast().map(String.init)
      #expect(
        lines == [
          "read-hidden no", "list-modules no", "read-open yes", "write-open no", "write-tmp no",
          "write-own yes", "write-given yes", "write-bound-hidden no", "null yes", "signal no",
        ]
      )
    }
  }

  @Test("a module of root keeps few rights, and those that it is given")
  func capabilities() async throws {
    guard geteuid() == 0 else { return }
    for (options, expected) in [
      ("{}", "00000000a00425fb"), (#"{"HostConfig":{"CapDrop":["ALL"]}}"#, "0000000000000000"),
      (#"{"HostConfig":{"CapAdd":["CAP_SYS_TIME"],"CapDrop":["all"]}}"#, "0000000002000000"),
    ] {
      try await withRuntime { runtime, folder in
        let program = try script("grep CapBnd /proc/self/status", in: folder)
        try await make(runtime, program, options: options)
        try await runtime.start("filter")
        _ = try await awaitEnd(runtime)
        #expect(try await text(runtime) == "CapBnd:\t\(expected)\n")
      }
    }
  }

  @Test("a module lives on without who started it, and is not started twice")
  func survives() async throws {
    try await withRuntime { runtime, folder in
      try await make(runtime, try script("echo begun; exec sleep 60", in: folder))
      try await runtime.start("filter")
      let other = try ProcessRuntime(root: folder + "/modules", program: Self.program)
      #expect(try await other.modules().first?.state == .running)
      try await other.start("filter")
      try await runtime.start("filter")
      try await Pause.sleep(for: .milliseconds(100))
      #expect(try await text(other) == "begun\n")
      try await other.stop("filter", within: 5)
      #expect(try await state(runtime) == .exited(143))
    }
  }

  @Test("the folder of a module that runs stays, even if what it was made of is gone")
  func running() async throws {
    try await withRuntime { runtime, folder in
      try await make(runtime, try script("exec sleep 60", in: folder))
      try await runtime.start("filter")
      let (body, aside) = (folder + "/modules/filter/module.json", folder + "/aside")
      #expect(rename(body, aside) == 0)
      _ = try ProcessRuntime(root: folder + "/modules", program: Self.program)
      #expect(rename(aside, body) == 0)
      #expect(try await state(runtime) == .running)
      try await runtime.stop("filter", within: 5)
      #expect(try await state(runtime) == .exited(143))
      unlink(body)
      _ = try ProcessRuntime(root: folder + "/modules", program: Self.program)
      #expect(!PrivateFile.exists(folder + "/modules/filter"))
    }
  }

  @Test("a module is removed with all that it made, however deep")
  func deep() async throws {
    try await withRuntime { runtime, folder in
      let program = "import os\\nfor _ in range(400): os.mkdir('d' * 20); os.chdir('d' * 20)"
      try await make(runtime, "/usr/bin/python3", options: #"{"Cmd":["-c",""# + program + #""]}"#)
      try await runtime.start("filter")
      #expect(try await awaitEnd(runtime)?.state == .exited(0))
      try await runtime.remove("filter")
      #expect(try PrivateFile.entries(of: folder + "/modules").isEmpty)
    }
  }

  @Test("starts at the same moment make one module")
  func concurrentStarts() async throws {
    try await withRuntime { runtime, folder in
      try await make(runtime, try script("echo begun; exec sleep 60", in: folder))
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<4 { group.addTask { try? await runtime.start("filter") } }
      }
      try await Pause.sleep(for: .milliseconds(300))
      #expect(try await text(runtime) == "begun\n")
    }
  }

  @Test("a module that ignores the request to stop is ended with all that it started")
  func stubborn() async throws {
    try await withRuntime { runtime, folder in
      let program = try script(
        "trap '' TERM; sleep 300 & echo $!; while :; do sleep 1; done",
        in: folder
      )
      try await make(runtime, program)
      try await runtime.start("filter")
      try await Pause.sleep(for: .milliseconds(300))
      try await runtime.stop("filter", within: 1)
      #expect(try await state(runtime) == .exited(137))
      let child = try #require(pid_t(try await text(runtime).prefix { $0.isNumber }))
      for _ in 0..<100 where isAlive(child) { try await Pause.sleep(for: .milliseconds(20)) }
      #expect(!isAlive(child))
    }
  }

  @Test("a killed shim takes its module along, and that is told")
  func shimKilled() async throws {
    try await withRuntime { runtime, folder in
      try await make(runtime, try script("echo $$; exec sleep 300", in: folder))
      try await runtime.start("filter")
      try await Pause.sleep(for: .milliseconds(200))
      let pid = try #require(pid_t(try await text(runtime).prefix { $0.isNumber }))
      let status = String(decoding: try PrivateFile.read("/proc/\(pid)/status"), as: UTF8.self)
      let parent = try #require(
        status.split(separator: "\n").first { $0.hasPrefix("PPid:") }?.split(separator: "\t").last
      )
      kill(try #require(pid_t(parent)), SIGKILL)
      let module = try #require(try await awaitEnd(runtime))
      #expect(module.state == .exited(137))
      #expect(module.statusDescription.contains("not seen"))
      for _ in 0..<100 where isAlive(pid) { try await Pause.sleep(for: .milliseconds(20)) }
      #expect(!isAlive(pid))
      try await runtime.start("filter")
      #expect(try await state(runtime) == .running)
    }
  }

  @Test(
    "what cannot be run is refused, with the reason",
    arguments: [
      ("relative", "{}", "must be the path"), ("/no/such/program", "{}", "No such file"),
      ("/etc/passwd", "{}", "chmod +x"), ("/bin/sh", #"{"Cmd":[1]}"#, "Cmd must be a list"),
      ("/bin/sh", #"{"Entrypoint":["x"]}"#, "Entrypoint is for"),
      ("/bin/sh", #"{"StopSignal":"SIGNOTHING"}"#, "StopSignal"),
      ("/bin/sh", #"{"HostConfig":{"Memory":"much"}}"#, "HostConfig.Memory"),
      ("/bin/sh", #"{"HostConfig":{"Ulimits":[{}]}}"#, "HostConfig.Ulimits"),
    ]
  )
  func refused(_ image: String, _ options: String, _ words: String) async throws {
    try await withRuntime { runtime, _ in
      let fault = await fault { try await make(runtime, image, options: options) }
      #expect(fault?.description.contains(words) == true, "\(fault?.description ?? "none")")
      let modules = try await runtime.modules()
      #expect(modules.isEmpty)
    }
  }

  @Test("what fails at the last moment fails the start")
  func startFails() async throws {
    try await withRuntime { runtime, folder in
      let program = try script("exit 0", in: folder)
      try await make(runtime, program, options: #"{"User":"no-such-user"}"#)
      let fault = await fault { try await runtime.start("filter") }
      #expect(fault?.description.contains("no user \"no-such-user\"") == true)
      unlink(program)
      let second = await startFault(runtime)
      #expect(second?.description.contains("No such file") == true)
      #expect(try await state(runtime) == .exited(127))
    }
  }

  private func startFault(_ runtime: ProcessRuntime) async -> RuntimeFault? {
    await fault { try await runtime.start("filter") }
  }

  @Test("a folder is a module too: its program run, or the one that Entrypoint names")
  func folders() async throws {
    try await withRuntime { runtime, folder in
      _ = try script("pwd; cat data", in: folder)
      try PrivateFile.replace(folder + "/data", with: Array("content\n".utf8))
      try await make(runtime, folder)
      try await runtime.start("filter")
      _ = try await awaitEnd(runtime)
      #expect(try await text(runtime) == "\(folder)\ncontent\n")
      try await runtime.remove("filter")
      try await make(runtime, folder, options: #"{"Entrypoint":["sh"],"Cmd":["-c","echo by sh"]}"#)
      try await runtime.start("filter")
      _ = try await awaitEnd(runtime)
      #expect(try await text(runtime) == "by sh\n")
    }
  }

  @Test("logs are cut by number, time and size, and can be followed")
  func logs() async throws {
    try await withRuntime { runtime, folder in
      let program = try script(
        "i=0; while [ $i -lt 600 ]; do echo line-$i-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; i=$((i+1)); "
          + "done; sleep 1; printf end",
        in: folder
      )
      try await make(
        runtime,
        program,
        options: #"{"HostConfig":{"LogConfig":{"Config":{"max-size":"16k","max-file":"2"}}}}"#
      )
      try await runtime.start("filter")
      let followed = try await text(runtime, LogQuery(follow: true))
      #expect(followed.hasSuffix("end\n"))
      let lines = try await text(runtime).split(separator: "\n")
      // Two files of 16 KiB hold no more than these.
      #expect(lines.count > 150 && lines.count < 400)
      #expect(lines.last == "end")
      let tail = try await text(runtime, LogQuery(tail: 2)).split(separator: "\n")
      #expect(tail.map { $0.prefix(8) } == ["line-599", "end"])
      #expect(try await text(runtime, LogQuery(tail: 0)) == "")
      #expect(try await text(runtime, LogQuery(since: .latest)) == "")
      #expect(try await text(runtime, LogQuery(until: .epoch)) == "")
      let stamped = try await text(runtime, LogQuery(tail: 1, timestamps: true))
      #expect(Timestamp(iso8601: String(stamped.prefix { $0 != " " })) != nil)
    }
  }

  @Test("limits hold: open files, and memory")
  func limits() async throws {
    try await withRuntime { runtime, folder in
      try await make(
        runtime,
        try script("ulimit -n; ulimit -c", in: folder),
        options: #"{"HostConfig":{"Ulimits":[{"Name":"nofile","Soft":64,"Hard":64}]}}"#
      )
      try await runtime.start("filter")
      _ = try await awaitEnd(runtime)
      #expect(try await text(runtime) == "64\n0\n")
      try await runtime.remove("filter")
      try await make(
        runtime,
        "/usr/bin/python3",
        options:
          #"{"Cmd":["-c","b = b'x' * (400 << 20)"],"HostConfig":{"Memory":134217728}}"#
      )
      try await runtime.start("filter")
      let module = try await awaitEnd(runtime)
      #expect(module?.state != .exited(0))
    }
  }

  @Test("as root, a module runs as the user that it names", .enabled(if: geteuid() == 0))
  func user() async throws {
    try await withRuntime { runtime, folder in
      chmod(folder, 0o755)
      try await make(
        runtime,
        try script("id -u; id -g; echo x > $TMPDIR/x && echo wrote", in: folder),
        options: #"{"User":"12345:23456","WorkingDir":"/"}"#
      )
      chmod(folder + "/modules", 0o711)
      try await runtime.start("filter")
      _ = try await awaitEnd(runtime)
      #expect(try await text(runtime) == "12345\n23456\nwrote\n")
    }
  }

  @Test("nobody else may read a module's variables")
  func secrecy() async throws {
    try await withRuntime { runtime, folder in
      try await make(runtime, "/bin/true", environment: ["KEY": "secret"])
      var information = stat()
      #expect(stat(folder + "/modules/filter/module.json", &information) == 0)
      #expect(information.st_mode & 0o777 == 0o600)
      let fault = await fault { try await make(runtime, "/bin/true") }
      #expect(fault?.code == .conflict)
    }
  }

  @Test("names that lead out of the folder are refused")
  func names() async throws {
    try await withRuntime { runtime, _ in
      for name in ["", ".", "..", "a/b", "../x"] {
        let fault = await fault { try await runtime.remove(name) }
        #expect(fault?.code == .refused)
      }
    }
  }
}
