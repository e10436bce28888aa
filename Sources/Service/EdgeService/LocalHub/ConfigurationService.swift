import EdgeEngine
import HubContract
import JSONTree
import Logging
import Platform
import QueryLanguage
import Synchronization

/// The local hub's configuration: routes and storage, as last accepted, on disk too.
final class ConfigurationService: Sendable {
  private let file: SealedFile
  private let logger: Logger
  private let profile: Dialect.EdgeProfile
  private let hub: LocalHub
  private let state = Mutex<LastDesired?>(nil)
  /// What the environment says, in place of the twin.
  private let local: JSONObject?

  init(
    hub: LocalHub,
    file: SealedFile,
    profile: Dialect.EdgeProfile,
    local: JSONObject?,
    logger: Logger
  ) {
    self.local = local
    self.hub = hub
    self.file = file
    self.profile = profile
    self.logger = logger
  }

  /// Which desired properties were looked at last, and what became of them.
  var last: LastDesired? { state.withLock { $0 } }

  /// Puts in force what was accepted last; before anything was, everything goes upstream (DIFF 14).
  ///
  /// - Throws: Why even that can't be done; `SettingsFault` for routes in the environment that are
  ///   wrong.
  func restore() throws {
    if let local {
      do throws(DesiredStatus) {
        return try apply(try HubConfiguration(desired: local, profile: profile))
      } catch {
        throw SettingsFault(
          "the routes in the environment (ConfigSource=local): \(error.description)",
          remedy: "Correct routes__NAME, or set ConfigSource to twin."
        )
      }
    }
    do {
      if let bytes = try file.read(), let desired = try JSON.parse(bytes).objectValue {
        try hub.use(try HubConfiguration(desired: desired, profile: profile))
        note(desired, .ok)
        return
      }
    } catch {
      logger.error(
        "the last configuration cannot be used; until another one comes all messages go upstream",
        metadata: ["fault": "\(error)"]
      )
    }
    try hub.use(.initial)
  }

  /// Takes desired properties over; what is wrong with them stays with them, and everything else as it
  /// was.
  func use(_ desired: JSONObject) {
    guard local == nil else { return }
    let version = desired["$version"]?.int64Value
    if let last, last.status == .ok, last.version == version { return }
    do throws(DesiredStatus) {
      let configuration = try HubConfiguration(desired: desired, profile: profile)
      for warning in configuration.warnings {
        logger.warning("configuration", metadata: ["warning": "\(warning)"])
      }
      try apply(configuration)
      note(desired, .ok)
      keep(desired)
      logger.notice(
        "configuration in force",
        metadata: [
          "version": "\(version ?? 0)", "routes": "\(configuration.routes.count)",
        ]
      )
    } catch {
      note(desired, error)
      logger.error(
        "configuration refused; the one before stays",
        metadata: ["version": "\(version ?? 0)", "fault": "\(error.description)"]
      )
    }
  }

  private func apply(_ configuration: HubConfiguration) throws(DesiredStatus) {
    do {
      try hub.use(configuration)
    } catch {
      throw DesiredStatus(.failed, "its queues cannot be made: \(error)")
    }
  }

  private func note(_ desired: JSONObject, _ status: DesiredStatus) {
    let version = desired["$version"]?.int64Value ?? 0
    state.withLock { $0 = LastDesired(version: version, status: status) }
  }

  private func keep(_ desired: JSONObject) {
    do {
      try file.write(JSON.bytes(.object(desired)))
    } catch {
      logger.error(
        "the configuration is not kept; a restart without the hub above brings the one before",
        metadata: ["fault": "\(error)"]
      )
    }
  }
}
