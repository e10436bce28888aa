/// The policy that opens the provisioning service, which is a realm of its own (contract §2.2).
enum ProvisioningPolicy {
  /// The one that a hub makes at its first start.
  static let owner = "provisioningserviceowner"
}

extension HubOptions {
  /// Runs `body` with a client that may work on enrollments, if the connection can be one.
  func withProvisioning(_ body: (HubClient, Printer) async throws -> Void) async throws {
    try await withHub { client, printer in
      do {
        try await body(try await client.forProvisioning(), printer)
      } catch var failure as CommandFailure where failure.status == .unauthorized {
        // The service says of no refusal what was wrong with the credential.
        failure.remedy =
          "It takes a policy with EnrollmentRead or EnrollmentWrite, such as "
          + "\(ProvisioningPolicy.owner), or one with all rights of the hub."
        throw failure
      }
    }
  }
}

extension HubClient {
  /// The same hub under the policy of the provisioning service, whose key an owner of the hub may
  /// read; under the connection's own policy if it may not, or there is no such policy.
  fileprivate func forProvisioning() async throws -> HubClient {
    guard connection.policy != ProvisioningPolicy.owner else { return self }
    let answer = try await send(HubRequest(.get, ["policies", ProvisioningPolicy.owner]))
    guard answer.isSuccess, let key = PolicySheet.key(try answer.json(), .primary) else {
      return self
    }
    return self.as(ProvisioningPolicy.owner, key)
  }
}
