package import EdgeEngine
package import Platform

/// Modules as plain processes of this machine, without any container engine (edge contract section
/// 16, EXT 4).
package final class ProcessRuntime: SupervisedRuntime {
  let supervisor: ModuleSupervisor

  /// Names of the commands by which the program is a shim, or a launcher.
  package static let shimCommand = "module-shim"
  /// See `shimCommand`.
  package static let launcherCommand = "module-launch"

  /// Creates the runtime.
  ///
  /// - Parameters:
  ///   - root: the folder of the modules' folders; made if it is not there.
  ///   - program: the program that has the commands above.
  ///   - hidden: files and folders that no module sees, the edge's own.
  /// - Throws: `FileFault`.
  package init(
    root: String,
    program: String = "/proc/self/exe",
    hidden: [String] = []
  ) throws(FileFault) {
    supervisor = try ModuleSupervisor(
      root: root,
      shim: [program, Self.shimCommand],
      options: hidden.flatMap { ["--hide", $0] }
    )
    try supervisor.removeRemnants()
  }

  /// Whether modules are kept from the file system of the machine: the kernel has what it takes.
  package static var isConfining: Bool { ModuleSandbox.isAvailable }

  // MARK: Modules

  package func modules() async throws -> [ModuleObservation] { try supervisor.modules() }

  package func create(_ name: String, _ body: ContainerBody) async throws {
    _ = try supervisor.vacant(name)
    try ModuleProgram(body.object).check()
    try supervisor.keep(body.object, of: name)
  }

  package func stop(_ name: String, within seconds: Int64) async throws {
    try await supervisor.stop(name, within: seconds)
  }

  package func usage(of name: String) async throws -> ModuleUsage {
    let folder = try supervisor.existing(name)
    guard folder.shim != nil, let pid = folder.run?.pid else { return ModuleUsage() }
    return ModuleUsage(process: pid)
  }

  // MARK: Images, of which there are none

  package func pull(
    _ source: ImageSource,
    progress: @escaping @Sendable (PullProgress) -> Void
  ) async throws {
    throw RuntimeFault(.refused, "\(source.reference): processes have no images to fetch.")
  }

  package func image(_ name: String) async throws -> StoredImage? { nil }

  package func images() async throws -> [StoredImage] { [] }

  package func removeImage(_ id: String) async throws {}
}
