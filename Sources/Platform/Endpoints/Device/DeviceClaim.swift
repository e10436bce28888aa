package import HubContract
import MQTT

/// Who a CONNECT says it is, and what it shows for that (contract §3.1).
package struct DeviceClaim: Sendable {
  /// The identity that the client ID names.
  package let identity: IdentityKey
  /// What the user name says.
  package let name: UserName
  /// The token, nil for who shows a certificate.
  package let token: SharedAccessSignature?

  /// Reads the names and the token; nothing of it is proved.
  ///
  /// - Throws: What of them can't be read.
  package init(_ request: DeviceConnectRequest) throws(DeviceAuthenticator.Refusal) {
    typealias Refusal = DeviceAuthenticator.Refusal
    guard let clientID = String(validating: request.clientID, as: UTF8.self),
      let key = IdentityKey(clientID: clientID), key.isValid
    else { throw Refusal("client ID names no identity", .identifierRejected) }
    guard let userName = request.userName.flatMap({ String(validating: $0, as: UTF8.self) }) else {
      throw Refusal("no user name", .badUserNameOrPassword)
    }
    identity = key
    do throws(UserNameFault) {
      name = try UserName(userName.utf8, clientID: clientID.utf8)
    } catch .otherClientID {
      throw Refusal("user name of another client ID", .identifierRejected)
    } catch {
      throw Refusal("user name: \(error)", .badUserNameOrPassword)
    }
    do throws(SASFault) {
      token = try request.password.map { bytes throws(SASFault) in
        try SharedAccessSignature(bytes)
      }
    } catch {
      throw Refusal("token: \(error)")
    }
  }
}
