import ByteIO
import HubContract
import JSONTree
import Platform

extension RoutingConfiguration {
  /// Bytes of a digest that tell two configurations apart.
  private static let etagBytes = 12

  /// Names what would be replaced by another one, without quotes; endpoints that drain are no part of that.
  ///
  /// It is a digest, so that the configuration of before has its ETag again when it is back.
  var etag: String {
    var replaced = self
    replaced.draining = []
    let digest = Hashing.sha256(JSON.canonicalBytes(replaced.json()))
    return Base64.encode(Array(digest.prefix(Self.etagBytes)))
  }
}
