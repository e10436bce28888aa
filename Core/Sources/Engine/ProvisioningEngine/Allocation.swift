internal import HubContract

/// Which hub a registration gets (contract §6.7).
enum Allocation {
  /// The hubs that an enrollment may use: the linked ones among those it names, or all.
  static func candidates(_ enrollment: Enrollment, _ rules: ProvisioningRules) -> [LinkedHub] {
    let named = enrollment.namedHubs
    return named.isEmpty ? rules.hubs : rules.hubs.filter { named.contains($0.host) }
  }

  /// The hub by a policy that needs nobody else; nil where no hub may be used.
  static func choose(
    _ registrationID: String,
    _ policy: AllocationPolicy,
    among hubs: [LinkedHub]
  ) -> LinkedHub? {
    switch policy {
    case .static: return hubs.first
    case .hashed, .custom: return hashed(registrationID, hubs)
    case .geoLatency:
      guard let nearest = hubs.compactMap(\.latencyMilliseconds).min() else {
        return hashed(registrationID, hubs)
      }
      return hashed(registrationID, hubs.filter { $0.latencyMilliseconds == nearest })
    }
  }

  /// The hub with the highest hash of both names.
  ///
  /// So a hub that comes or goes moves only those devices that it gets or had. A hub of weight n
  /// takes part n times.
  private static func hashed(_ registrationID: String, _ hubs: [LinkedHub]) -> LinkedHub? {
    var best: (hash: UInt64, hub: LinkedHub)?
    for hub in hubs {
      for share in 0..<min(hub.weight, 100) {
        let hash = hash([UInt8]("\(share)/\(hub.host)/\(registrationID)".utf8))
        if best == nil || hash > best?.hash ?? 0 { best = (hash, hub) }
      }
    }
    return best?.hub
  }

  /// FNV-1a of 64 bits, then mixed, since its high bits depend little on the last bytes.
  private static func hash(_ bytes: [UInt8]) -> UInt64 {
    var value: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
}
