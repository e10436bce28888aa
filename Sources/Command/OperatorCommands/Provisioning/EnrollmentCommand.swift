import ArgumentParser

/// `orrery enrollment`: the right of one device to be provisioned.
struct EnrollmentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "enrollment",
    abstract: "Enroll single devices for provisioning.",
    discussion: """
      A device that is enrolled registers with the hub's ID scope, its registration ID and its \
      secret or certificate; its identity is made then. For many devices with a common secret or \
      signer see 'orrery enrollment-group', for what became of them 'orrery registration'.

        orrery enrollment create pump-1 --tags '{"site":"north"}'
        orrery enrollment key pump-1

      The commands work as the policy provisioningserviceowner, whose key they take from the hub if \
      the connection may read it.
      """,
    subcommands: [
      EnrollmentCreate<EnrollmentArgument>.self, EnrollmentList<EnrollmentArgument>.self,
      EnrollmentShow<EnrollmentArgument>.self, EnrollmentUpdate<EnrollmentArgument>.self,
      EnrollmentDelete<EnrollmentArgument>.self, EnrollmentKeyCommand.self,
    ]
  )
}

/// The argument that names an individual enrollment.
struct EnrollmentArgument: EnrollmentTarget {
  typealias Details = IndividualDetails

  @Argument(help: ArgumentHelp("The registration ID.", valueName: "registration"))
  var id: String

  func validate() throws { try Self.check(id) }

  static let terms = EnrollmentTerms.individual

  static let create = CommandConfiguration(
    commandName: "create",
    abstract: "Enroll a device.",
    discussion: """
      With keys that the hub makes, with your own, with its certificate, or by a registered \
      authority whose certificates have the registration ID as common name:

        orrery enrollment create pump-1
        orrery enrollment create pump-1 --primary-key @a.key --secondary-key @b.key
        orrery enrollment create pump-2 --certificate pump-2.pem
        orrery enrollment create pump-3 --authority plant --device-id north-3
        orrery enrollment create pump-4 --tags @tags.json --desired '{"rate":5}'
      """
  )

  static let list = CommandConfiguration(
    commandName: "list",
    abstract: "List the enrollments of single devices.",
    discussion: """
        orrery enrollment list
        orrery enrollment list --all -o json | jq -r '.[].registrationId'
      """
  )

  static let show = CommandConfiguration(
    commandName: "show",
    abstract: "Show an enrollment, and how far its device is.",
    discussion: """
      Its keys are asked for only with --show-keys, in JSON too.

        orrery enrollment show pump-1
      """
  )

  static let update = CommandConfiguration(
    commandName: "update",
    abstract: "Change an enrollment; what is not named stays.",
    discussion: """
      It counts from the next registration on. A device that is assigned stays so, even if its \
      enrollment is disabled: disable the device for that.

        orrery enrollment update pump-1 --disabled
        orrery enrollment update pump-2 --secondary-certificate next.pem
        orrery enrollment update pump-1 --reprovision never
      """
  )

  static let delete = CommandConfiguration(
    commandName: "delete",
    abstract: "Delete an enrollment; the device's identity stays.",
    discussion: "  orrery enrollment delete pump-1 --yes"
  )

  static let key = CommandConfiguration(
    commandName: "key",
    abstract: "Print the key that a device registers with.",
    discussion: """
        KEY=$(orrery enrollment key pump-1)
        orrery enrollment key pump-1 --key secondary
      """
  )
}
