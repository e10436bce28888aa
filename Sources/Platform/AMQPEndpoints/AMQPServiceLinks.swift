package import AMQP
package import HubContract

/// What a service gives a client besides the links of devices and modules; one for each connection.
///
/// Confined to the connection's event loop.
package protocol AMQPServiceLinks: AnyObject {
  /// Whether the client has shown here who it is.
  var hasShownCredential: Bool { get }
  /// Judges user name and password of PLAIN, and answers the connection; false leaves that to the
  /// tokens and keys that every service takes.
  func authenticate(userName: String, password: [UInt8]) -> Bool
  /// Accepts or refuses a link to an address that is no device's or module's.
  func attached(_ id: LinkID, _ attach: AMQPAttach, _ address: LinkAddress)
  /// A link is gone, whether it was served here or not.
  func detached(_ id: LinkID)
  /// The connection is over.
  func ended()
}
