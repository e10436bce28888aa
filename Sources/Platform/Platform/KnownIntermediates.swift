import Synchronization

/// Certificates between devices and verified authorities, seen in chains that were proved.
///
/// A resumed TLS session tells the device's own certificate and not those between it and the
/// authority, so they are taken from here. They prove nothing by themselves: the way from the leaf to
/// an authority that is verified now is checked anew each time. Only certificates of proved chains
/// enter, so that nobody without a device's credential can push others out. Tickets don't outlive the
/// process, neither need these.
package final class KnownIntermediates: Sendable {
  package init() {}

  /// Certificates kept at most; the oldest makes room.
  package static let limit = 256

  private let known = Mutex<[PresentedCertificate]>([])

  /// All of them, in the order in which they came.
  package var all: [PresentedCertificate] { known.withLock { $0 } }

  /// Keeps those that are new.
  package func remember(_ certificates: [PresentedCertificate]) {
    guard !certificates.isEmpty else { return }
    known.withLock { known in
      for certificate in certificates where !known.contains(where: { $0.der == certificate.der }) {
        if known.count >= Self.limit { known.removeFirst() }
        known.append(certificate)
      }
    }
  }
}
