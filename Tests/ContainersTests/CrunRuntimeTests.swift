import Containers
import EdgeEngine
import Glibc
import JSONTree
import Platform
import Testing

@Suite("Modules that are containers of crun", .timeLimit(.minutes(2)))
struct CrunRuntimeTests {
  /// Runs `body` in a folder of its own, with what makes runtimes of it; everything is gone afterwards.
  private func withFolder(
    _ body: (_ folder: String, _ runtime: (String) throws -> CrunRuntime) async throws -> Void
  ) async throws {
    let folder = "/tmp/containers-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    try PrivateFile.makeDirectory(folder)
    let clients = HostClients()
    do {
      try await body(folder) { crun in
        try CrunRuntime(
          root: folder,
          crun: crun,
          networkID: "edge",
          registry: RegistryClient(clients),
          program: ProcessRuntimeTests.program
        )
      }
    } catch {
      await clients.close()
      PrivateFile.removeTree(folder)
      throw error
    }
    await clients.close()
    PrivateFile.removeTree(folder)
  }

  /// What a module is made of, in place of an image and its unpacked copy.
  private func keep(_ name: String, in folder: String) throws {
    let module = try Bodies.module(name, image: "example.com/filter:1")
    let path = "\(folder)/containers/\(name)"
    try PrivateFile.makeDirectory(path)
    let object = JSONValue.object(Bodies.body(module).object)
    try PrivateFile.replace(path + "/module.json", with: JSON.bytes(object))
    try PrivateFile.replace(path + "/limits.json", with: Array("{}".utf8))
  }

  @Test("what was left of making and removing modules goes at the beginning, and nothing else")
  func remnants() async throws {
    try await withFolder { folder, makeRuntime in
      let containers = folder + "/containers"
      let outside = folder + "/outside"
      try PrivateFile.makeDirectory(outside + "/rootfs")
      for name in ["half/rootfs/bin", "half/rootfs/closed", ".removed-1-2-3/a", "whole/rootfs"] {
        try PrivateFile.makeDirectory("\(containers)/\(name)")
      }
      try PrivateFile.replace(containers + "/half/rootfs/closed/file", with: [1])
      try PrivateFile.replace(containers + "/half/lock", with: [])
      #expect(chmod(containers + "/half/rootfs/closed", 0) == 0)
      #expect(symlink(outside, containers + "/half/rootfs/out") == 0)
      // What nobody here has made.
      #expect(symlink(outside, containers + "/elsewhere") == 0)
      try PrivateFile.replace(containers + "/notes", with: [1])
      try keep("whole", in: folder)

      let runtime = try makeRuntime("/bin/true")
      let left = try PrivateFile.entries(of: containers).map(\.name).sorted()
      #expect(left == ["elsewhere", "notes", "whole"])
      #expect(PrivateFile.exists(outside + "/rootfs"))
      #expect(PrivateFile.exists(containers + "/whole/rootfs"))
      #expect(try await runtime.modules().map(\.name) == ["whole"])
    }
  }

  /// Something in place of crun: what it makes is, as with crun, nobody's child, and so is what that
  /// leaves behind; there is no namespace.
  private func crun(
    in folder: String,
    afterSeconds pause: Int = 0,
    running program: String
  ) throws
    -> String
  {
    let text = """
      #!/bin/sh
      while [ "${1#--}" != "$1" ]; do
        case $1 in --root|--log) shift ;; esac
        shift
      done
      [ "$1" = create ] || exit 0
      sleep \(pause)
      /bin/sh '\(folder)/program' &
      echo $! > "$5"

      """
    try PrivateFile.replace(folder + "/crun", with: Array(text.utf8), mode: 0o755)
    try PrivateFile.replace(folder + "/program", with: Array((program + "\n").utf8))
    return folder + "/crun"
  }

  @Test(
    "a module runs when it has begun, and not while it is made",
    .enabled(if: CrunRuntimeTests.canCall)
  )
  func begins() async throws {
    try await withFolder { folder, makeRuntime in
      let runtime = try makeRuntime(
        try crun(in: folder, afterSeconds: 2, running: "exec sleep 60")
      )
      try keep("filter", in: folder)
      async let begun: Void = runtime.start("filter")
      for _ in 0..<500 where !PrivateFile.exists(folder + "/containers/filter/lock") {
        try await Pause.sleep(for: .milliseconds(20))
      }
      try await Pause.sleep(for: .milliseconds(200))
      #expect(try await runtime.modules().map(\.state) == [.created])
      try await begun
      #expect(try await runtime.modules().map(\.state) == [.running])
      try await runtime.remove("filter")
    }
  }

  /// Whether crun, or what is in its place, can be called here: on machines with both versions of
  /// control groups only within a namespace.
  static var canCall: Bool {
    !PrivateFile.exists("/sys/fs/cgroup/unified/cgroup.procs")
      || system("unshare --mount true 2>/dev/null") == 0
  }

  @Test(
    "what a module's processes leave behind is taken leave of, and the exit code is the module's own",
    .enabled(if: CrunRuntimeTests.canCall)
  )
  func orphans() async throws {
    try await withFolder { folder, makeRuntime in
      let program = """
        for i in 1 2 3; do (sleep 0.1 &) done
        (sleep 9 &)
        sleep 0.5
        shim=$(cut -d ' ' -f 4 /proc/$$/stat)
        i=0
        while left=$(ps -o stat= --ppid $shim | grep -c Z); [ $left != 0 ] && [ $i -lt 30 ]; do
          sleep 0.1
          i=$((i+1))
        done
        adopted=$(ps -o comm= --ppid $shim | grep -c sleep)
        echo "adopted $adopted, left $left"
        (sleep 0.1 &)
        exit 7
        """
      let runtime = try makeRuntime(try crun(in: folder, running: program))
      try keep("filter", in: folder)
      try await runtime.start("filter")
      var state: ModuleObservation.State?
      for _ in 0..<1000 {
        state = try await runtime.modules().first?.state
        if state != .running { break }
        try await Pause.sleep(for: .milliseconds(20))
      }
      #expect(state == .exited(7))
      var text: [UInt8] = []
      try await runtime.logs(of: "filter", LogQuery()) { text += $0.bytes }
      #expect(String(decoding: text, as: UTF8.self) == "adopted 1, left 0\n")
      try await runtime.remove("filter")
    }
  }
}
