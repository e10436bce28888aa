/// The three parts of a twin that somebody writes.
package enum TwinSectionName: String, CaseIterable {
  case tags
  case desired = "properties.desired"
  case reported = "properties.reported"

  /// The section's largest size as twins count it (contract §7.5).
  package func limit(_ quotas: Quotas) -> Int {
    switch self {
    case .tags: quotas.twinTagsBytes
    case .desired: quotas.twinDesiredBytes
    case .reported: quotas.twinReportedBytes
    }
  }
}
