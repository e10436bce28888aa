extension RouteTable {
  /// The routes of `configuration`.
  public init(_ configuration: HubConfiguration) {
    self.init(
      configuration.routes,
      timeToLive: configuration.timeToLive,
      profile: configuration.profile
    )
  }
}
