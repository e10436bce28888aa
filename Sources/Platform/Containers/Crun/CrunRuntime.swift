import ByteIO
import CLinux
package import EdgeEngine
import Glibc
import JSONTree
import NIOPosix
package import Platform

/// Modules as containers of crun, without any engine: images are fetched, unpacked and kept by this
/// program itself, and each container is a child of a `ContainerShim`.
package final class CrunRuntime: SupervisedRuntime {
  let supervisor: ModuleSupervisor
  private let store: ImageStore
  private let registry: RegistryClient
  private let crun: String
  private let root: String
  private let networkID: String

  /// The name of the command by which the program is a shim.
  package static let shimCommand = "module-container"

  /// The longest of the small files of machine and image that are read.
  private static let fileLimit = 1 << 20

  /// Creates the runtime.
  ///
  /// - Parameters:
  ///   - root: the agent's folder, in which modules, images and volumes are.
  ///   - crun: the path of crun.
  ///   - networkID: the network that engines would put modules into.
  ///   - registry: where images are fetched.
  ///   - program: the program that has the command above.
  /// - Throws: `FileFault`.
  package init(
    root: String,
    crun: String,
    networkID: String,
    registry: RegistryClient,
    program: String = "/proc/self/exe"
  ) throws(FileFault) {
    (self.root, self.crun, self.networkID, self.registry) = (root, crun, networkID, registry)
    supervisor = try ModuleSupervisor(
      root: root + "/containers",
      shim: [program, Self.shimCommand],
      options: [crun]
    )
    store = try ImageStore(root: root + "/image-store")
    try supervisor.removeRemnants { endOrphan($0) }
  }

  /// The version of the crun at a path.
  ///
  /// - Throws: `RuntimeFault` if there is none.
  package static func version(of crun: String) throws(RuntimeFault) -> String {
    try Crun.version(of: crun)
  }

  // MARK: Modules

  package func modules() async throws -> [ModuleObservation] {
    let modules = try supervisor.modules()
    for module in modules { endOrphan(try supervisor.folder(module.name)) }
    return modules
  }

  /// Ends a container whose shim was killed: nobody reads what it writes, or would hear of its end.
  private func endOrphan(_ folder: ModuleFolder) {
    let container = Crun(path: crun, folder: folder)
    // In this order: a shim makes the container after it has taken the lock.
    if PrivateFile.exists(container.statePath), folder.shim == nil { container.delete() }
  }

  package func create(_ name: String, _ body: ContainerBody) async throws {
    let folder = try supervisor.vacant(name)
    let wanted = body.object["Image"]?.stringValue ?? ""
    guard let image = store.image(wanted) else {
      throw RuntimeFault(.notFound, "There is no image \(wanted) on this machine.")
    }
    // Long work, which must not keep others waiting.
    let store = store
    var kept = body.object
    kept[ModuleSupervisor.imageMember] = .string(image.id)
    try await NIOThreadPool.singleton.runIfActive { [self, kept] in
      // What an attempt before has left.
      try FileTree.remove(folder.path)
      try PrivateFile.makeDirectory(folder.path)
      do {
        try LayerUnpacker.unpack(store.layers(of: image), to: folder.path + "/rootfs")
        let plan = try ContainerPlan(
          body.object,
          image: store.configuration(of: image),
          surroundings(folder)
        )
        try keep(plan, in: folder)
        // With that, and not before, there is the module.
        try supervisor.keep(kept, of: name)
      } catch {
        try? FileTree.remove(folder.path)
        if error is RuntimeFault { throw error }
        throw RuntimeFault(.failed, "Making a container of \(wanted): \(error)")
      }
    }
  }

  private func keep(_ plan: ContainerPlan, in folder: ModuleFolder) throws {
    for path in plan.folders { try Self.makeFolders(path) }
    let limits = JSON.bytes(.object(ContainerShim.limits(of: plan)))
    try PrivateFile.replace(ContainerShim.limitsPath(folder), with: limits)
    let configuration = JSON.bytes(.object(plan.specification))
    try PrivateFile.replace(folder.path + "/config.json", with: configuration)
    // Users of the container read these.
    for (name, text) in [("hosts", plan.hosts), ("resolv.conf", plan.resolver)] {
      try PrivateFile.replace("\(folder.path)/\(name)", with: Array(text.utf8), mode: 0o644)
      chmod("\(folder.path)/\(name)", 0o644)
    }
  }

  /// Makes what is missing of a bind's source or a volume, open to the container's users as with
  /// engines.
  private static func makeFolders(_ path: String) throws {
    var partial = ""
    for part in path.utf8.split(separator: UInt8(ascii: "/")) {
      partial += "/" + Substring(part)
      if mkdir(partial, 0o755) == 0 {
        // Whatever the umask takes away.
        chmod(partial, 0o755)
      } else if errno != EEXIST, !PrivateFile.exists(partial) {
        throw FileFault("make", partial)
      }
    }
  }

  private func surroundings(_ folder: ModuleFolder) throws -> ContainerPlan.Surroundings {
    var surroundings = ContainerPlan.Surroundings(
      folder: folder.path,
      volumes: root + "/volumes",
      networkID: networkID,
      userID: geteuid(),
      groupID: getegid(),
      users: try Self.read("etc/passwd", in: folder.path + "/rootfs"),
      groups: try Self.read("etc/group", in: folder.path + "/rootfs"),
      hosts: Self.text("/etc/hosts"),
      resolver: Self.text("/etc/resolv.conf"),
      architecture: ImageManifest.Platform.own.architecture
    )
    // In a namespace of its own the container has all of them, over what is its own.
    if surroundings.isRoot {
      let words = Self.text("/proc/self/status").split { $0 == "\n" || $0 == "\t" }
      for (name, value) in zip(words, words.dropFirst()) where name == "CapPrm:" {
        surroundings.capabilities = UInt64(value, radix: 16) ?? .max
      }
    }
    return surroundings
  }

  private static func text(_ path: String) -> String {
    let bytes = try? PrivateFile.read(path, limit: fileLimit)
    return String(decoding: bytes ?? [], as: UTF8.self)
  }

  /// A file of an image, empty if there is none; its links lead nowhere but into the image.
  private static func read(_ name: String, in path: String) throws -> String {
    let root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard root >= 0 else { throw FileFault("open", path) }
    defer { close(root) }
    let file = clinux_open_in_root(root, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var information = stat()
    guard fstat(file, &information) == 0, information.st_mode & S_IFMT == S_IFREG else { return "" }
    var bytes = [UInt8](repeating: 0, count: fileLimit)
    let count = Glibc.read(file, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
  }

  package func stop(_ name: String, within seconds: Int64) async throws {
    try await supervisor.stop(name, within: seconds)
    endOrphan(try supervisor.folder(name))
  }

  package func usage(of name: String) async throws -> ModuleUsage {
    let folder = try supervisor.existing(name)
    guard folder.shim != nil, let pid = folder.run?.pid else { return ModuleUsage() }
    var usage = ModuleUsage(process: pid)
    // Without control groups it is that of the first process alone.
    let all = ControlGroup(folder).usage
    usage.memoryBytes = all.memoryBytes ?? usage.memoryBytes
    usage.memoryLimitBytes = all.memoryLimitBytes
    usage.processorNanoseconds = all.processorNanoseconds ?? usage.processorNanoseconds
    usage.processCount = all.processCount ?? usage.processCount
    return usage
  }

  // MARK: Images

  package func pull(
    _ source: ImageSource,
    progress: @escaping @Sendable (PullProgress) -> Void
  ) async throws {
    try await ImageFetch(source: source, store: store, registry: registry, progress: progress).run()
  }

  package func image(_ name: String) async throws -> StoredImage? { store.image(name)?.stored }

  package func images() async throws -> [StoredImage] { store.all }

  package func removeImage(_ id: String) async throws {
    if let module = try supervisor.modules().first(where: { $0.imageHash == id }) {
      throw RuntimeFault(.conflict, "The image \(id) is used by the module \(module.name).")
    }
    try store.remove(id)
  }
}
