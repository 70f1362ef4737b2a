//! Hosts on which nobody has prepared anything: `deploy setup` makes what they need, or prints it for whoever is root.
//! To add a need: take it away in `bare`, and say in the asserts that it came back.

use crate::support::shop::{FIRST, LBS, Shop, WEBS};

/// The folder of the record is a volume on the fleet: it comes back to its place however a test ends.
struct Volumes<'a>(&'a Shop);

impl Drop for Volumes<'_> {
    fn drop(&mut self) {
        let back = "rm -rf /var/lib/deploy; mkdir /var/lib/deploy; mount --bind /run/volume /var/lib/deploy; umount /run/volume; rmdir /run/volume";
        for host in WEBS.iter().chain(&LBS) {
            self.0.sh(host, back);
        }
    }
}

/// No record folder anywhere, no include on the load balancers.
fn bare(shop: &Shop) {
    let away = "[ -d /run/volume ] || { mkdir /run/volume; mount --bind /var/lib/deploy /run/volume; umount /var/lib/deploy; }; rm -rf /var/lib/deploy";
    for host in WEBS.iter().chain(&LBS) {
        shop.sh(host, away);
    }
    for lb in LBS {
        let conf = "/etc/nginx/nginx.conf";
        shop.sh(lb, &format!("sed -i '/deploy.*conf;/d' {conf}; rm -rf /etc/nginx/deploy; ! grep -q 'deploy/' {conf}"));
    }
}

/// `script/test --long` only: the default run must stay under 20 minutes.
mod long {
    use super::*;

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn setup_makes_what_hosts_need_and_what_it_prints_does_the_same() {
        let shop = Shop::empty();
        let _volumes = Volumes(&shop);
        bare(&shop);
        let found = shop.run(&["check", "staging"]);
        found.assert_code(4).assert_says(&[
        "error: web1 web2 web3 web4: /var/lib/deploy is missing and cannot be made by this user",
        "error: lb1 lb2: nginx's configuration does not include the files of deploy",
    ]);

        shop.run(&["setup", "staging"]).assert_code(0).assert_says(&[
        "made /var/lib/deploy: mode 2770, group docker (",
        "made the line `include /etc/nginx/deploy/*.conf;` in /etc/nginx/nginx.conf; as it was: /etc/nginx/nginx.conf.before-deploy (lb1 lb2)",
    ]);
        let found = shop.run(&["check", "staging"]);
        found.assert_code(0).assert_silent_on("error");
        // Once more changes nothing.
        let before = shop.state();
        let again = shop.run(&["setup", "staging"]);
        again.assert_code(0).assert_silent_on("made ");
        assert_eq!(shop.state(), before);

        // The same by another department, from a script.
        bare(&shop);
        let printed = shop.run(&["setup", "staging", "--print", "--login", "deploy"]);
        printed.assert_code(0).assert_says(&[
            "# /etc/sudoers.d/deploy (mode 440; check it with `visudo -c`) on lb1 lb2:",
            "deploy ALL=(root) NOPASSWD: /bin/sh, /usr/bin/sh",
        ]);
        for host in WEBS.iter().chain(&LBS) {
            let script = [
                "sh",
                "-c",
                "printf %s \"$1\" >/tmp/setup.sh; sh /tmp/setup.sh \"$2\"",
                "sh",
                &printed.stdout,
                host,
            ];
            let said = shop.fleet.exec(host, &script);
            assert!(
                said.contains("made /var/lib/deploy") && !said.contains("left"),
                "{host}: {said}"
            );
        }
        let line = printed
            .stdout
            .lines()
            .find_map(|l| l.strip_prefix("#   deploy ALL"));
        let line = format!("deploy ALL{}", line.expect("a line of sudoers"));
        for lb in LBS {
            let script = "rm -f /etc/sudoers.d/*; printf '%s\\n' \"$1\" >/etc/sudoers.d/deploy; chmod 440 /etc/sudoers.d/deploy; visudo -c";
            shop.fleet.exec(lb, &["sh", "-c", script, "sh", &line]);
        }
        let found = shop.run(&["check", "staging"]);
        found.assert_code(0).assert_silent_on("error");
        shop.deploy(FIRST).assert_code(0);
        shop.assert_serving(FIRST);
    }
}
