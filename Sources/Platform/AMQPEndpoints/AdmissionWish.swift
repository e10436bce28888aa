import AMQP
import AMQPCodec
import Endpoints
package import HubContract

/// What a device or module says of itself with its first link (contract §4).
package struct AdmissionWish: Sendable {
  package let identity: IdentityKey
  package let modelID: String?
  /// Who acts for it, in the order of a user name's `auth-chain`; nil for itself.
  package let authChain: [String]?

  /// Reads the link's properties.
  ///
  /// - Throws: What of them can't be read.
  init(_ identity: IdentityKey, _ attach: AMQPAttach) throws(AMQPError) {
    self.identity = identity
    modelID = attach.properties["com.microsoft:model-id"]?.text
    guard let chain = attach.properties["com.microsoft:auth-chain"]?.text, !chain.isEmpty else {
      authChain = nil
      return
    }
    guard let names = UserName.authChain(chain) else {
      throw AMQPError(
        "com.microsoft:argument-error",
        "com.microsoft:auth-chain wants at most \(UserName.authChainLimit) device or module IDs,"
          + " separated by ;"
      )
    }
    authChain = names
  }
}

extension AdmittedDevice {
  /// Whose credential it came by: its own, or that of the edge hub that acts for it.
  var prover: IdentityKey {
    guard case .edgeHub(let authChain, _) = credential,
      let edge = authChain.last.flatMap({ IdentityKey(clientID: $0) })
    else { return identity }
    return IdentityKey(deviceID: edge.deviceID, moduleID: ModuleID.edgeHub)
  }
}
