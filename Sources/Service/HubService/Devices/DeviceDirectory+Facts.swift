import Endpoints
import HubContract
import HubEngine

extension DeviceDirectory {
  /// What answers show of an identity's connection.
  func facts(of identity: IdentityKey) -> ConnectionFacts {
    guard let entry = self[identity] else { return ConnectionFacts() }
    return ConnectionFacts(isConnected: true, lastActivityTime: entry.since)
  }
}
