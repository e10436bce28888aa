import HubContract
import HTTPTypes

/// This device as its keys process knows it: nothing at first, then who it is and its modules.
package actor EdgeDevice {
  private enum State {
    case unknown(reason: String)
    case known(DeviceAccount, ModuleIdentities)
  }

  private var state: State = .unknown(reason: "it is being asked for")

  package init() {}

  /// Says why it is not known yet.
  func isUnknown(_ reason: String) {
    guard case .unknown = state else { return }
    state = .unknown(reason: reason)
  }

  package func isKnown(_ account: DeviceAccount, _ modules: ModuleIdentities) {
    state = .known(account, modules)
  }

  /// It proves itself with another certificate from now on.
  func proofChanged() async {
    if case .known(_, let modules) = state { await modules.proofChanged() }
  }

  /// Who it is, nil where that is not known.
  var identity: EdgeIdentity? {
    guard case .known(let account, _) = state else { return nil }
    return account.identity
  }

  /// Who it is, and its modules.
  ///
  /// - Throws: `LocalRefusal`, 503, while that is not known.
  func known() throws(LocalRefusal) -> (EdgeIdentity, ModuleIdentities) {
    switch state {
    case .unknown(let reason):
      throw LocalRefusal(.serviceUnavailable, "the device's identity is not known yet: \(reason)")
    case .known(let account, let modules): return (account.identity, modules)
    }
  }
}

extension IdentityFault {
  /// The fault as an answer.
  var refusal: LocalRefusal {
    switch self {
    case .noNetwork(let reason): LocalRefusal(.serviceUnavailable, "the hub: \(reason)")
    case .notFound(let reason): LocalRefusal(.notFound, "the hub: \(reason)")
    case .refused(let status, let reason):
      LocalRefusal(status == 400 ? .badRequest : .internalServerError, "the hub: \(reason)")
    }
  }
}
