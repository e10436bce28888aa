import Glibc
import NIOCore
package import Platform

extension SettingsFault {
  /// The address of a listener cannot be bound.
  ///
  /// `hostSetting` and `portSetting` are the settings that gave it.
  package static func listener(
    _ host: String,
    _ port: Int,
    _ hostSetting: String,
    _ portSetting: String,
    _ error: any Error
  ) -> SettingsFault {
    let address = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    switch (error as? IOError)?.errnoCode {
    case EADDRINUSE:
      return SettingsFault(
        "cannot listen on \(address) (\(portSetting)): another program has that port",
        remedy: "Stop it: ss -ltnp 'sport = :\(port)' tells which. Or set another port: --set "
          + "\(portSetting)=N."
      )
    case EACCES, EPERM:
      return SettingsFault(
        "cannot listen on \(address) (\(portSetting)): the system does not allow it",
        remedy: "Ports below 1024 need root or the capability CAP_NET_BIND_SERVICE. Or set another "
          + "port: --set \(portSetting)=N."
      )
    case EADDRNOTAVAIL:
      return SettingsFault(
        "cannot listen on \(address) (\(hostSetting)): this machine has no such address",
        remedy: "Set \(hostSetting) to an address of this machine, or to 0.0.0.0 for all of them."
      )
    default:
      return SettingsFault(
        "cannot listen on \(address) (\(hostSetting), \(portSetting)): \(error)",
        remedy: "\(hostSetting) takes an address of this machine, or 0.0.0.0 for all of them."
      )
    }
  }
}
