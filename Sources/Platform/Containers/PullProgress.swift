/// How far the fetching of an image is.
package struct PullProgress: Equatable, Sendable, CustomStringConvertible {
  /// Layers that are here, and layers that are known of.
  package var doneLayers, layers: Int
  /// Bytes that are here, and bytes that are known of, of the layers that are being fetched.
  package var bytes, totalBytes: Int64

  package init(doneLayers: Int = 0, layers: Int = 0, bytes: Int64 = 0, totalBytes: Int64 = 0) {
    (self.doneLayers, self.layers) = (doneLayers, layers)
    (self.bytes, self.totalBytes) = (bytes, totalBytes)
  }

  /// For a person.
  package var description: String {
    guard layers > 0 else { return "nothing received" }
    let mebibytes = { (bytes: Int64) in "\(bytes >> 20)" }
    return "\(doneLayers) of \(layers) layers, \(mebibytes(bytes)) of \(mebibytes(totalBytes)) MiB"
  }
}
