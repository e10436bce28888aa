public import HubContract

/// A hub that devices can be assigned to.
public struct LinkedHub: Equatable, Sendable {
  /// Its host name in lower case, as devices are told it.
  public var host: String
  /// Its share among the hubs of a hashed allocation; 0 gets none.
  public var weight: UInt64
  /// How far away it is, in milliseconds; nil: not known.
  public var latencyMilliseconds: UInt64?
  /// Whether the authorities that the service verified are this hub's own too.
  public var sharesAuthorities: Bool

  /// Creates a linked hub.
  public init(
    host: String,
    weight: UInt64 = 1,
    latencyMilliseconds: UInt64? = nil,
    sharesAuthorities: Bool = false
  ) {
    self.host = host
    self.weight = weight
    self.latencyMilliseconds = latencyMilliseconds
    self.sharesAuthorities = sharesAuthorities
  }

  /// Whether `name` is its host name, whatever the case of its letters.
  func isCalled(_ name: String) -> Bool {
    name.utf8.lazy.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }.elementsEqual(host.utf8)
  }
}

/// How a provisioning service is set up, and its limits.
public struct ProvisioningRules: Sendable {
  /// The ID scope that devices name.
  public var scope: String
  /// The hubs that it assigns to.
  public var hubs: [LinkedHub]
  /// The authorities that issue certificates to devices, by name.
  public var issuers: Set<String> = []
  /// What enrollments without a policy of their own get.
  public var defaultAllocation = AllocationPolicy.hashed
  /// Individual enrollments at most; over: 400205.
  public var enrollmentLimit = 1_000_000
  /// Enrollment groups at most; over: 400205.
  public var groupLimit = 100_000
  /// Groups of symmetric keys at most, since a token has to be tried against each; over: 400205.
  public var symmetricKeyGroupLimit = 100
  /// Enrollments of one bulk call; over: 400205.
  public var bulkLimit = 10
  /// Rows of a query's page; a bigger wish is cut to it.
  public var pageLimit = 1000
  /// Bytes of rows after which a page ends, about the body that REST itself accepts.
  public var pageBytes = 1 << 20
  /// What a twin may hold.
  public var quotas = Quotas()
  /// When a device is told to come back while its operation goes on.
  public var retryAfterSeconds = 3
  /// How long a finished operation can be asked for.
  public var operationSeconds: Int64 = 3600
  /// Times that a step which finds its peer unavailable is tried before the operation goes on
  /// without it, or fails.
  public var stepTries = 8

  /// Creates the rules of a service; limits have their standard values.
  public init(scope: String, hubs: [LinkedHub]) {
    self.scope = scope
    self.hubs = hubs
  }

  /// The linked hub called `host`.
  public func hub(_ host: String) -> LinkedHub? { hubs.first { $0.isCalled(host) } }
}
