/// The versions of the REST interface that are answered (contract §7.1).
public enum APIVersion {
  /// Versions of the service and device side.
  public static let service: Set<String> = [
    "2018-06-30", "2019-10-01", "2020-03-13", "2020-05-31-preview", "2020-09-30", "2021-04-12",
    "2024-03-31",
  ]

  /// Versions that a stock edge hub asks its parent's scope with (contract §3.10).
  public static let edgeScope: Set<String> = ["2018-08-30-preview", "2020-06-30-preview"]

  /// Versions that a stock edge device's identity service keeps its modules with (edge contract §4.3).
  public static let edgeIdentities: Set<String> = ["2017-11-08-preview"]

  /// Versions of the provisioning service (contract §6.2, §6.6).
  public static let provisioning: Set<String> = [
    "2018-11-01", "2019-03-31", "2021-06-01", "2021-10-01", "2025-07-01-preview",
  ]

  /// Judges the query parameter `api-version`; to be done before authentication.
  ///
  /// - Throws: 400001 if it is missing or unknown.
  public static func check(_ text: String?) throws(HubError) {
    guard let text, !text.isEmpty else {
      throw HubError(
        .invalidProtocolVersion,
        "The query parameter api-version is missing; add api-version=2021-04-12."
      )
    }
    let isKnown = [service, edgeScope, edgeIdentities, provisioning].contains { $0.contains(text) }
    guard isKnown else {
      throw HubError(
        .invalidProtocolVersion,
        "This api-version is not known; use api-version=2021-04-12."
      )
    }
  }
}
