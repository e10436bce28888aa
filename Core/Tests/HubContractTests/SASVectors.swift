import HubContract
import Testing

/// Tokens made by other implementations with one fixed key, all ending at 1767326645.
///
/// The rows that name a stock client were made by its own signing code; the others follow a rule of
/// contract §2.1 and were computed with Python's `hmac`.
enum SASVectors {
  struct Row: Sendable, CustomTestStringConvertible {
    let maker: String
    let resource: String
    let token: String
    var use = SASKeyUse.decoded
    var policy: String?
    var testDescription: String { "\(maker), \(resource)" }
  }

  /// The bytes 0 to 31.
  static let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
  static let expiry: Int64 = 1_767_326_645

  static let rows = [
    Row(
      maker: "azure-iot-device 2.14.0",
      resource: "hub.example/devices/d1",
      token: "SharedAccessSignature sr=hub.example%2Fdevices%2Fd1"
        + "&sig=N8Nz7WPrhA8h0fV9w876oxmhWl3LNNsb9KZuLK%2FdBU8%3D&se=1767326645"
    ),
    Row(
      maker: "azure-iot-device 2.14.0",
      resource: "Hub.Example/devices/d1/modules/m1",
      token: "SharedAccessSignature sr=Hub.Example%2Fdevices%2Fd1%2Fmodules%2Fm1"
        + "&sig=wZ2rUjv%2B8iLR9gLILaSnuq7wywMju8aCsnQ%2BT99%2F83k%3D&se=1767326645"
    ),
    Row(
      maker: "azure-iot-device 2.14.0",
      resource: "hub.example/devices/a#+?x=%@$'",
      token: "SharedAccessSignature sr=hub.example%2Fdevices%2Fa%23%2B%3Fx%3D%25%40%24%27"
        + "&sig=3%2Fd8Rc68FaqMgJtmFiibG2q3T1rLeS12g5bHD%2BCkngA%3D&se=1767326645"
    ),
    Row(
      maker: "azure-iot-device 2.14.0",
      resource: "hub.example/devices/e1/modules/$edgeHub",
      token: "SharedAccessSignature sr=hub.example%2Fdevices%2Fe1%2Fmodules%2F%24edgeHub"
        + "&sig=2JcJcdw%2FGIqpp813QGSD1C9o5PWJ4BESDd1joCE6ESo%3D&se=1767326645"
    ),
    Row(
      maker: "azure-iot-device 2.14.0",
      resource: "0ne00000000/registrations/r1",
      token: "SharedAccessSignature sr=0ne00000000%2Fregistrations%2Fr1"
        + "&sig=1xEy2uR%2FyqC0%2F3Cw7xGX1UQhAr6jpxeEzkUeVDEH5So%3D&se=1767326645&skn=registration",
      policy: "registration"
    ),
    Row(
      maker: "azure-iot-hub 2.7.0 (HTTPS)",
      resource: "hub.example",
      token: "SharedAccessSignature sr=hub.example"
        + "&sig=zJ3tV/YwN8bNclcSHEFFEicyTOVb0E0TNnuv%2BmQLUuU%3D&se=1767326645&skn=iothubowner",
      policy: "iothubowner"
    ),
    Row(
      maker: "azure-iot-hub 2.7.0 (HTTPS)",
      resource: "hub.example:8443",
      token: "SharedAccessSignature sr=hub.example%3A8443"
        + "&sig=ELd6PeDxlmpMeIAmeuiinMw7Tb2/fJrUAfy4fr/8jdw%3D&se=1767326645&skn=service",
      policy: "service"
    ),
    Row(
      maker: "azure-iot-hub 2.7.0 (HTTPS)",
      resource: "hub.example/devices/d 1",
      token: "SharedAccessSignature sr=hub.example%2Fdevices%2Fd+1"
        + "&sig=WsapD0lkbmirIOB84vF4iiEu0qKpN%2Bk4G4VPpRjm%2BIY%3D&se=1767326645"
    ),
    Row(
      maker: "azure-iot-hub 2.7.0 (AMQP)",
      resource: "hub.example",
      token: "SharedAccessSignature sr=hub.example"
        + "&sig=zJ3tV/YwN8bNclcSHEFFEicyTOVb0E0TNnuv%2BmQLUuU%3D&se=1767326645&skn=iothubowner",
      policy: "iothubowner"
    ),
    Row(
      maker: "Event Hubs rule",
      resource: "sb://hub.example/events/consumergroups/$default",
      token:
        "SharedAccessSignature sr=sb%3A%2F%2Fhub.example%2Fevents%2Fconsumergroups%2F%24default"
        + "&sig=LdvJSqNxgL73hTmTQCxcYHAGHlKDEiPDN0MBH58KUx8%3D&se=1767326645&skn=iothubowner",
      use: .text,
      policy: "iothubowner"
    ),
    Row(
      maker: "lower-case escapes",
      resource: "hub.example/devices/d1",
      token: "SharedAccessSignature sr=hub.example%2fdevices%2fd1"
        + "&sig=7Uxw4qMYW8hQli%2F1RgjrGA7fFkSxagGlXdyRFUIwJeI%3D&se=1767326645"
    ),
    Row(
      maker: "signed in lower case, sent in upper case",
      resource: "hub.example/devices/d1",
      token: "SharedAccessSignature sr=hub.example%2Fdevices%2Fd1"
        + "&sig=7Uxw4qMYW8hQli%2F1RgjrGA7fFkSxagGlXdyRFUIwJeI%3D&se=1767326645"
    ),
  ]
}
