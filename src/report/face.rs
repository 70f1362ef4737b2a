//! What a face is, and the task that feeds one.
//!
//! A face hears every event in order and shows it. To add a face: implement [`Face`], give it a
//! name in `cli`. The [`Feed`] runs a face beside the engine: the engine never waits for output.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::event::Event;

/// Shows events.
pub trait Face: Send {
    /// Something happened.
    fn event(&mut self, event: &Event);
    /// Something that is no event of the run, e.g. what a Ctrl-C does.
    fn notice(&mut self, text: &str);
    /// A tenth of a second or so went by; times on the screen may be renewed.
    fn tick(&mut self) {}
    /// Somebody else needs the screen: leave it clean. The next event takes it again.
    fn pause(&mut self) {}
    /// The last event was shown: leave the screen as it is to stay.
    fn close(&mut self) {}
}

/// How often a face may renew times on the screen.
const TICK: Duration = Duration::from_millis(100);

enum Control {
    Pause(oneshot::Sender<()>),
    Notice(String),
    Close,
}

/// Says things that are no events of a run, in order with them.
#[derive(Debug, Clone)]
pub struct Notices(mpsc::UnboundedSender<Control>);

impl Notices {
    /// Shows a line.
    pub fn say(&self, text: &str) {
        // An error means that the face has ended, and with it the run.
        let _ = self.0.send(Control::Notice(text.to_owned()));
    }
}

/// A face that listens in a task of its own.
#[derive(Debug)]
pub struct Feed {
    events: mpsc::UnboundedSender<Event>,
    control: mpsc::UnboundedSender<Control>,
    task: JoinHandle<()>,
}

impl Feed {
    /// Starts listening. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(face: Box<dyn Face>) -> Self {
        let (events, hear) = mpsc::unbounded_channel();
        let (control, orders) = mpsc::unbounded_channel();
        let task = tokio::spawn(listen(face, hear, orders));
        Self {
            events,
            control,
            task,
        }
    }

    /// Where the engine speaks.
    #[must_use]
    pub fn sender(&self) -> mpsc::UnboundedSender<Event> {
        self.events.clone()
    }

    /// Where others than the engine speak.
    #[must_use]
    pub fn notices(&self) -> Notices {
        Notices(self.control.clone())
    }

    /// Shows what was said so far and leaves the screen to the caller, e.g. for a question.
    pub async fn pause(&self) {
        let (tell, told) = oneshot::channel();
        if self.control.send(Control::Pause(tell)).is_ok() {
            // An error means that the face has ended: the screen is free then, too.
            let _ = told.await;
        }
    }

    /// Shows what was said so far and ends.
    pub async fn close(self) {
        let _ = self.control.send(Control::Close);
        let _ = self.task.await;
    }
}

async fn listen(
    mut face: Box<dyn Face>,
    mut hear: mpsc::UnboundedReceiver<Event>,
    mut orders: mpsc::UnboundedReceiver<Control>,
) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut ended = false;
    loop {
        tokio::select! {
            order = orders.recv() => {
                while let Ok(event) = hear.try_recv() {
                    face.event(&event);
                }
                match order {
                    Some(Control::Pause(tell)) => {
                        face.pause();
                        let _ = tell.send(());
                    }
                    Some(Control::Notice(text)) => face.notice(&text),
                    Some(Control::Close) | None => break,
                }
            }
            event = hear.recv(), if !ended => match event {
                Some(event) => face.event(&event),
                None => ended = true,
            },
            _ = tick.tick() => face.tick(),
        }
    }
    face.close();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::script;
    use std::sync::{Arc, Mutex};

    struct Writes(Arc<Mutex<Vec<String>>>);
    impl Face for Writes {
        fn event(&mut self, event: &Event) {
            self.0.lock().unwrap().push(event.seq.to_string());
        }
        fn notice(&mut self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
        fn pause(&mut self) {
            self.0.lock().unwrap().push("pause".into());
        }
        fn close(&mut self) {
            self.0.lock().unwrap().push("close".into());
        }
    }

    #[tokio::test]
    async fn what_was_said_before_a_pause_is_shown_before_it() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let feed = Feed::start(Box::new(Writes(Arc::clone(&seen))));
        let say = feed.sender();
        let events = script::deploy();
        for event in &events[..3] {
            say.send(event.clone()).unwrap();
        }
        feed.pause().await;
        say.send(events[3].clone()).unwrap();
        feed.notices().say("notice");
        feed.close().await;
        assert_eq!(seen.lock().unwrap().join(" "), "1 2 3 pause 4 notice close");
    }
}
