package import Containers
package import EdgeEngine

/// All module runtimes of this machine.
package struct ModuleRuntimes: Sendable {
  /// Containers.
  package let docker: any ModuleRuntime
  /// Plain processes.
  package let process: any ModuleRuntime

  package init(docker: any ModuleRuntime, process: any ModuleRuntime) {
    (self.docker, self.process) = (docker, process)
  }

  /// The runtime for modules of a kind.
  package func runtime(_ kind: ModuleConfiguration.Kind) -> any ModuleRuntime {
    switch kind {
    case .docker: docker
    case .process: process
    }
  }

  /// All modules, each with what runs it.
  ///
  /// A machine without a container engine has no containers; that is a failure only if some are
  /// wanted.
  package func modules(
    needsDocker: Bool
  ) async throws -> [(kind: ModuleConfiguration.Kind, module: ModuleObservation)] {
    let processes = try await process.modules()
    let containers: [ModuleObservation]
    do {
      containers = try await docker.modules()
    } catch let fault as RuntimeFault where fault.code == .unreachable && !needsDocker {
      containers = []
    }
    let names = Set(containers.map(\.name))
    return containers.map { (.docker, $0) }
      // One name can be two modules only if a kind was changed; the other one goes first.
      + processes.filter { !names.contains($0.name) }.map { (.process, $0) }
  }
}
