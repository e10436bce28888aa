import Containers
import JSONTree
import NIOPosix

/// The processes of the edge, as far as a deployment may change them.
package protocol EdgeProcesses: Sendable {
  /// The variables of a deployment that the local hub is started with.
  func hubVariables() async throws -> [String: String]

  /// Lets the local hub have other variables of a deployment, and start again if they are others.
  ///
  /// - Returns: Whether it starts again.
  /// - Throws: why it keeps those that it has.
  func setHubVariables(_ variables: [String: String]) async throws -> Bool

  /// Stops a process, and starts it again; does not wait for that.
  func restart(_ role: EdgeRole) async throws
}

/// The processes, asked for from the supervisor over its socket.
package struct SupervisedProcesses: EdgeProcesses {
  private let socket: String

  package init(_ paths: EdgePaths) { socket = paths.supervisorSocket }

  package func hubVariables() async throws -> [String: String] {
    var variables: [String: String] = [:]
    for (name, value) in try await ask(.hubVariables(nil))["variables"]?.objectValue ?? [:] {
      variables[name] = value.stringValue
    }
    return variables
  }

  package func setHubVariables(_ variables: [String: String]) async throws -> Bool {
    let order = SupervisorOrder.hubVariables(variables)
    guard JSON.bytes(order.json).count < SupervisorOrder.byteLimit else {
      throw RuntimeFault(.refused, "Variables may have \(SupervisorOrder.byteLimit) bytes.")
    }
    return try await ask(order)["restarts"]?.boolValue == true
  }

  package func restart(_ role: EdgeRole) async throws { _ = try await ask(.restart([role])) }

  private func ask(_ order: SupervisorOrder) async throws -> JSONValue {
    let socket = socket
    do {
      // It waits for the answer, which comes at once, on a thread that may.
      return try await NIOThreadPool.singleton.runIfActive {
        try SupervisorClient.ask(order, at: socket)
      }
    } catch let failure as SupervisorClient.Failure {
      throw RuntimeFault(failure.remedy == nil ? .failed : .unreachable, failure.description)
    }
  }
}
