import EdgeEngine
import Glibc
import JSONTree
import NIOPosix
import Platform

/// A runtime whose modules this program stays with itself.
protocol SupervisedRuntime: ModuleRuntime {
  var supervisor: ModuleSupervisor { get }
}

extension SupervisedRuntime {
  package func start(_ name: String) async throws { try await supervisor.start(name) }

  package func remove(_ name: String) async throws {
    let folder = try supervisor.folder(name)
    guard PrivateFile.exists(folder.path) else { return }
    if PrivateFile.exists(folder.bodyPath) { try await stop(name, within: 0) }
    // First what makes it a module, so that no half of one is ever found.
    unlink(folder.bodyPath)
    // Long work, which must not keep others waiting, on files that the module may have made as it liked.
    let path = folder.path
    do {
      try await NIOThreadPool.singleton.runIfActive { try FileTree.remove(path) }
    } catch let fault as FileFault {
      throw RuntimeFault(.failed, "Removing \(name): \(fault).")
    }
  }

  package func inspect(_ name: String) async throws -> JSONValue { try supervisor.inspect(name) }

  package func logs(
    of name: String,
    _ query: LogQuery,
    to sink: (LogChunk) async throws -> Void
  ) async throws {
    try await supervisor.logs(of: name, query, to: sink)
  }

  package func platform() async throws -> RuntimePlatform { .kernel }
}
