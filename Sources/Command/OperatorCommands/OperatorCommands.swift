package import ArgumentParser

/// The commands for people: everything of `orrery` but the server roles.
package enum OperatorCommands {
  /// Subcommands for the program's root, in the order of its help.
  package static let all: [any ParsableCommand.Type] = [
    DeviceCommand.self, ModuleCommand.self, TwinCommand.self, DigitalTwinCommand.self,
    MethodCommand.self, CloudToDeviceCommand.self, MonitorCommand.self, QueryCommand.self,
    FileCommand.self, JobCommand.self, ConfigurationCommand.self, DeploymentCommand.self,
    EdgeCommand.self,
    RoutingCommand.self,
    RoutesCommand.self, AuthorityCommand.self, EnrollmentCommand.self, EnrollmentGroupCommand.self,
    RegistrationCommand.self, PolicyCommand.self, RegistryCommand.self, TokenCommand.self,
    SimulateCommand.self, FaultCommand.self, BackupCommand.self, RestoreCommand.self,
  ]

  /// What belongs to a hub itself, for the program's `hub`; backup and restore have short names too.
  package static let ofHub: [any ParsableCommand.Type] = [
    HubStatus.self, BackupCommand.self, RestoreCommand.self,
  ]
}
