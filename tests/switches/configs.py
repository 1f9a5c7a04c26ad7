"""Configurations without a finding, written by hand after the vendors' manuals."""

IOS = """Building configuration...

Current configuration : 2412 bytes
!
version 15.2
service password-encryption
hostname sw-a1
!
banner motd ^C
interface GigabitEthernet9/9/9 is not one
^C
enable secret 5 $1$abcd$notapassword
no ip routing
vtp mode transparent
spanning-tree mode rapid-pvst
spanning-tree portfast edge default
spanning-tree portfast edge bpduguard default
!
vlan internal allocation policy ascending
!
vlan 110
 name a-dmz
!
vlan 120,160
!
vlan 998
 name parking
!
vlan 999
 name native
!
interface Port-channel1
 description to sw-a2
 switchport trunk native vlan 999
 switchport trunk allowed vlan 110,120
 switchport trunk allowed vlan add 160
 switchport mode trunk
 switchport nonegotiate
!
interface GigabitEthernet1/0/1
 switchport trunk native vlan 999
 switchport trunk allowed vlan 110,120,160
 switchport mode trunk
 switchport nonegotiate
 channel-group 1 mode active
!
interface GigabitEthernet1/0/2
 switchport trunk native vlan 999
 switchport trunk allowed vlan 110,120,160
 switchport mode trunk
 switchport nonegotiate
 channel-group 1 mode active
!
interface GigabitEthernet1/0/3
 description web-a1
 switchport access vlan 110
 switchport mode access
 storm-control broadcast level 1.00
 switchport port-security maximum 2
!
interface GigabitEthernet1/0/4
 switchport access vlan 998
 switchport mode access
 shutdown
!
interface Vlan1
 no ip address
 shutdown
!
interface Vlan160
 ip address 10.10.60.2 255.255.255.0
!
ip default-gateway 10.10.60.1
line vty 0 4
 transport input ssh
end
"""

EOS = """! Command: show running-config
! device: sw-b1 (DCS-7050TX-64, EOS-4.30.1F)
!
hostname sw-b1
!
spanning-tree mode mstp
spanning-tree edge-port bpduguard default
!
vlan 210
   name b-dmz
!
vlan 260,999
!
vrf instance MGMT
!
interface Port-Channel1
   description to sw-b2
   switchport trunk native vlan 999
   switchport trunk allowed vlan 210,260
   switchport mode trunk
!
interface Ethernet1
   channel-group 1 mode active
!
interface Ethernet2
   description web-b1
   switchport access vlan 210
   spanning-tree portfast
   storm-control broadcast level 1
!
interface Ethernet3
   shutdown
   switchport access vlan 998
!
interface Ethernet4
   no switchport
   ip address 10.20.90.1/31
!
interface Management1
   vrf MGMT
   ip address 10.20.60.9/24
!
interface Vlan260
   ip address 10.20.60.2/24
!
no ip routing
ip routing vrf MGMT
!
end
"""


def line_of(text: str, words: str) -> int:
    """Give the number of the first line that holds these words."""
    return next(n for n, line in enumerate(text.splitlines(), start=1) if words in line)
