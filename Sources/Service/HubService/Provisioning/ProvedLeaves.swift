import Endpoints
import HubContract
import ProvisioningEngine
import Synchronization

/// Certificates of devices with all that vouches for them, so that the next request of a device costs
/// no signature and no look for authorities.
///
/// Only proved chains enter, so that nobody without a device's credential can push others out.
final class ProvedLeaves: Sendable {
  /// What was found under other enrollments or authorities counts no more.
  struct Epoch: Equatable, Sendable {
    var enrollments: UInt64
    var authorities: UInt64
  }

  /// Chains kept at most, 5 kB each; the oldest makes room.
  ///
  /// Devices come back after some seconds.
  static let limit = 1024

  /// How long a chain counts as proved.
  static let lifetimeSeconds: Int64 = 60
  /// Sets of issuers whose anchors are kept; there are few.
  private static let anchorLimit = 64

  private struct Entry {
    var leaf: PresentedLeaf
    var epoch: Epoch
    var validity: (from: Int64, to: Int64)
  }

  private struct Known {
    var entries: [[[UInt8]]: Entry] = [:]
    /// The keys in the order in which they came.
    var order: [[[UInt8]]] = []
    var anchors: [Set<String>: (epoch: Epoch, found: [Anchor])] = [:]
  }

  private let known = Mutex(Known())

  /// The leaf of a chain that was proved and whose certificates are all valid at `seconds`.
  func leaf(of chain: PresentedChain, _ epoch: Epoch, at seconds: Int64) -> PresentedLeaf? {
    guard let entry = known.withLock({ $0.entries[chain.certificates] }), !chain.isResumed,
      entry.epoch == epoch, entry.validity.from <= seconds, seconds <= entry.validity.to
    else { return nil }
    return entry.leaf
  }

  /// The certificates with these subjects that may vouch for devices, nil if they have to be read.
  func anchors(called subjects: Set<String>, _ epoch: Epoch) -> [Anchor]? {
    let entry = known.withLock { $0.anchors[subjects] }
    return entry?.epoch == epoch ? entry?.found : nil
  }

  /// Keeps what has these subjects; not that there is nothing, for anybody may present any issuer.
  func remember(_ anchors: [Anchor], called subjects: Set<String>, _ epoch: Epoch) {
    guard !anchors.isEmpty else { return }
    known.withLock { known in
      if known.anchors.count >= Self.anchorLimit { known.anchors = [:] }
      known.anchors[subjects] = (epoch, anchors)
    }
  }

  /// Keeps a leaf that somebody vouches for.
  ///
  /// Not that of a resumed session, which has no intermediates of its own: a nearer signer may become
  /// known.
  func remember(
    _ leaf: PresentedLeaf,
    of chain: PresentedChain,
    _ epoch: Epoch,
    _ validity: (from: Int64, to: Int64)
  ) {
    guard !leaf.signers.isEmpty, !chain.isResumed else { return }
    let entry = Entry(leaf: leaf, epoch: epoch, validity: validity)
    known.withLock { known in
      guard known.entries.updateValue(entry, forKey: chain.certificates) == nil else { return }
      known.order.append(chain.certificates)
      guard known.order.count > Self.limit else { return }
      known.entries[known.order.removeFirst()] = nil
    }
  }
}
