# SPDX-License-Identifier: Apache-2.0
"""The commands, each a coroutine that calls the client and prints; a module for each subject."""

#: Module → the commands that it has, so that one command loads one module.
MODULES = {
    "itself": "cd connect echo exit help pwd quit",
    "domain_agent": (
        "domfsfreeze domfsinfo domfsthaw domfstrim domhostname get-user-sshkeys "
        "guest-agent-timeout guestinfo qemu-agent-command set-user-password set-user-sshkeys"
    ),
    "domain_attach": "attach-disk attach-interface",
    "domain_blockjob": "blockcommit blockcopy blockjob blockpull blockresize domblkthreshold",
    "domain_devices": (
        "attach-device detach-device detach-device-alias detach-disk detach-interface "
        "domif-setlink update-device update-memory-device"
    ),
    "domain_job": "domjobabort domjobinfo",
    "domain_media": "change-media",
    "domain_migration": (
        "migrate migrate-compcache migrate-getmaxdowntime migrate-getspeed migrate-postcopy"
        " migrate-setmaxdowntime migrate-setspeed"
    ),
    "domain_memory": "memtune numatune setmaxmem setmem",
    "domain_power": (
        "domdirtyrate-calc domlaunchsecinfo dompmsuspend dompmwakeup domsetlaunchsecstate"
    ),
    "domain_processor": (
        "cpu-stats emulatorpin guestvcpus setvcpu setvcpus vcpucount vcpuinfo vcpupin"
    ),
    "domain_qemu": ("lxc-enter-namespace qemu-attach qemu-monitor-command qemu-monitor-event"),
    "domain_threads": "iothreadadd iothreaddel iothreadinfo iothreadpin iothreadset",
    "domain_tuning": "blkdeviotune blkiotune domiftune perf schedinfo",
    "domain_life": (
        "autostart create define destroy dom-fd-associate reboot reset resume set-lifecycle-action"
        " shutdown start suspend"
    ),
    "domain_undefine": "undefine",
    "domain_identity": "desc domid domname domrename domuuid metadata",
    "domain_documents": "domxml-from-native domxml-to-native dumpxml edit",
    "domain_saving": (
        "dump managedsave managedsave-define managedsave-dumpxml managedsave-edit"
        " managedsave-remove restore save save-image-define save-image-dumpxml save-image-edit"
    ),
    "domain_screen": (
        "console domdisplay inject-nmi screenshot send-key send-process-signal ttyconsole"
        " vncdisplay"
    ),
    "domain_events": "event",
    "pool": (
        "find-storage-pool-sources find-storage-pool-sources-as pool-autostart pool-build "
        "pool-capabilities pool-create pool-create-as pool-define pool-define-as pool-delete "
        "pool-destroy pool-dumpxml pool-edit pool-name pool-refresh pool-start pool-undefine "
        "pool-uuid"
    ),
    "volume": "vol-clone vol-create vol-create-as vol-create-from vol-delete vol-resize vol-wipe",
    "volume_listing": "vol-dumpxml vol-info vol-key vol-list vol-name vol-path vol-pool",
    "volume_transfer": "vol-download vol-upload",
    "snapshot": (
        "snapshot-create snapshot-create-as snapshot-current snapshot-delete snapshot-dumpxml "
        "snapshot-revert"
    ),
    "snapshot_editing": "snapshot-edit",
    "snapshot_listing": "snapshot-info snapshot-list snapshot-parent",
    "checkpoint": (
        "checkpoint-create checkpoint-create-as checkpoint-delete checkpoint-dumpxml "
        "checkpoint-edit checkpoint-info checkpoint-list checkpoint-parent"
    ),
    "backup": "backup-begin backup-dumpxml",
    "pool_events": "pool-event",
    "pool_listing": "pool-info pool-list",
    "interface": (
        "iface-begin iface-commit iface-define iface-destroy iface-dumpxml iface-edit iface-list"
        " iface-mac iface-name iface-rollback iface-start iface-undefine"
    ),
    "interface_bridge": "iface-bridge iface-unbridge",
    "network": (
        "net-autostart net-create net-define net-destroy net-dumpxml net-edit net-info net-list"
        " net-name net-start net-undefine net-update net-uuid"
    ),
    "network_ports": (
        "net-dhcp-leases net-port-create net-port-delete net-port-dumpxml net-port-list"
    ),
    "node_device": (
        "nodedev-autostart nodedev-create nodedev-define nodedev-destroy nodedev-detach"
        " nodedev-dumpxml nodedev-info nodedev-list nodedev-reattach nodedev-reset nodedev-start"
        " nodedev-undefine"
    ),
    "nwfilter": (
        "nwfilter-binding-create nwfilter-binding-delete nwfilter-binding-dumpxml"
        " nwfilter-binding-list nwfilter-define nwfilter-dumpxml nwfilter-edit nwfilter-list"
        " nwfilter-undefine"
    ),
    "object_events": "net-event nodedev-event secret-event",
    "secret": (
        "secret-define secret-dumpxml secret-get-value secret-list secret-set-value secret-undefine"
    ),
    "host": (
        "capabilities domcapabilities hostname maxvcpus nodecpumap nodeinfo nodesevinfo nodesuspend"
        " sysinfo uri version"
    ),
    "host_cpu": (
        "cpu-baseline cpu-compare cpu-models hypervisor-cpu-baseline hypervisor-cpu-compare"
    ),
    "host_memory": "allocpages freecell freepages node-memory-tune nodecpustats nodememstats",
    "domain_list": "list",
    "domain_monitor": "domblkerror domcontrol dominfo dommemstat domstate domstats domtime",
    "domain_disks": "domblkinfo domblklist domblkstat",
    "domain_interfaces": "domif-getlink domifaddr domiflist domifstat",
}
